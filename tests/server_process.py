"""The server as a user starts it, in a process of its own, with the real models."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


@asynccontextmanager
async def serving(*arguments: str, **environment: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Start the server and yield it with ``host:port``; its standard error goes on being read."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "server.py",
        "--port",
        "0",
        *arguments,
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )
    assert process.stderr is not None
    try:
        told = b""
        while not (found := re.search(rb"http://([\d.]+:\d+)/", told)):
            line = await process.stderr.readline()
            assert line, f"the server ended: {told.decode()}"
            told += line
        rest = asyncio.create_task(process.stderr.read())
        yield process, found[1].decode()
        rest.cancel()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
