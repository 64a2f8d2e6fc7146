"""Streams a media file as if it happened now and prints the emotions: python examples/stream_file.py FILE [ADDRESS]."""

import sys

from m2fnet_client import connect_sync
from wire.events import Emotion

file, address = (*sys.argv[1:], "127.0.0.1:8765")[:2]
with connect_sync(address, name="A file") as session:
    for event in session.play(file):
        if isinstance(event, Emotion) and event.final:
            print(f"{event.start_ms / 1000:6.1f} s  {event.shown:8}  {event.text}", flush=True)
