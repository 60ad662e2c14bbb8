"""Brings up the loopback interface of a fresh network namespace and gives it further addresses: `lo.py 10.0.0.1 fd00::1`."""

import errno
import fcntl
import ipaddress
import os
import socket
import struct
import sys
import time

SET_FLAGS, SET_ADDRESS, SET_MASK, GET_INDEX = 0x8914, 0x8916, 0x891C, 0x8933
UP_AND_RUNNING = 0x41


def request(sock, number, name, value):
    return fcntl.ioctl(sock, number, struct.pack("16s24s", name.encode(), value))


def of_four(address):
    return struct.pack("=HH4s", socket.AF_INET, 0, address.packed)


def wait_for(address):
    """The kernel lets an IPv6 address be used a moment after it has taken it."""
    until = time.monotonic() + 10
    while True:
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
                return sock.bind((address, 0))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL or time.monotonic() > until:
                raise
            os.sched_yield()


v4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
request(v4, SET_FLAGS, "lo", struct.pack("=H", UP_AND_RUNNING))
index = struct.unpack("16xi20x", request(v4, GET_INDEX, "lo", b""))[0]
for nth, text in enumerate(sys.argv[1:], 1):
    address = ipaddress.ip_address(text)
    if address.version == 4:
        request(v4, SET_ADDRESS, f"lo:{nth}", of_four(address))
        request(v4, SET_MASK, f"lo:{nth}", of_four(ipaddress.ip_address("255.255.255.255")))
    else:
        v6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        fcntl.ioctl(v6, SET_ADDRESS, struct.pack("=16sIi", address.packed, 128, index))
        wait_for("::1")
        wait_for(text)
