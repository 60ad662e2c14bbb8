#!/usr/bin/env python3
"""Runs k6.js against a Botgate of its own. usage: smoke.py [--botgate FILE] [--k6 FILE] [--profile smoke|load|soak]"""

import argparse
import os
import subprocess

from served import SECRET, served

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--botgate", default="target/release/botgate")
parser.add_argument("--k6", default=".venv/bin/k6")
parser.add_argument("--profile", default="smoke")
arguments = parser.parse_args()

script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "k6.js")
with served(arguments.botgate) as (_, bound):
    environment = os.environ | {
        "BASE": f"http://{bound['http']}",
        "SECRET": SECRET,
        "PROFILE": arguments.profile,
        "K6_NO_USAGE_REPORT": "true",
    }
    ran = subprocess.run([arguments.k6, "run", "--quiet", script], env=environment)
raise SystemExit(ran.returncode)
