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
async def serving(
    *arguments: str, log: list[str] | None = None, **environment: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Start the server and yield it with ``host:port``; its standard error is read on, into ``log`` if it ends."""
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
        if log is not None and process.returncode is not None:
            log.extend((told + await rest).decode().splitlines())
        rest.cancel()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
