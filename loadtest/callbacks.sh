#!/bin/sh
# What answers that come later cost, as one table: accepts, deliveries, the time between them, memory, recovery. Some minutes.
# Data lies where TMPDIR points; that disk's fsync is part of each figure.
set -eu
cd "$(dirname "$0")/.."
exec cargo bench --quiet --bench callbacks
