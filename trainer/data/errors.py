"""The errors of the readers."""


class DatasetError(Exception):
    """A corpus is missing, laid out wrongly or holds something outside its label set; says where and what to do."""


class AbsentError(DatasetError):
    """A corpus, or the split asked for, is not where it was looked for."""
