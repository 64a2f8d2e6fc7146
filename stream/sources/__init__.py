"""Where media comes from: each source is a thread whose media one reader takes, see :class:`base.Source`."""
