"""Ports of servers that tests start."""

import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

READY_SECONDS = 60.0


def wait_for(server: "subprocess.Popen[bytes]", port: int) -> None:
    """Wait until a server listens on a port of this machine."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RuntimeError("the simulated AWS has ended")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")
