from hypothesis import settings

# No time limits: the machine may be busy.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
