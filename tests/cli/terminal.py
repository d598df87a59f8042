"""The command on a real terminal, of a width and an encoding."""

import fcntl
import os
import pty
import struct
import subprocess
import termios


def on_terminal(*command, columns=80, read_as="utf-8", **environment):
    """Run a command with a pseudo-terminal for input and output; what a person would see."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**inherited, "TERM": "xterm", "NO_COLOR": "1", **environment},
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # how Linux says that the last writer is gone
            break
        if not chunk:
            break
        seen += chunk
    os.close(ours)
    return process.wait(), seen.decode(read_as).replace("\r\n", "\n")
