"""The live server's parts: who may talk to it, the pages, the sessions, the connections."""
