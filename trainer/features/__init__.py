"""From labelled conversations to what the fusion reads: decoding, the branches' networks, and their cache."""
