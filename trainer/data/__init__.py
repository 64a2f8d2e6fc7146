"""Readers of the corpora: from files on disk to labelled utterances, clips and faces."""
