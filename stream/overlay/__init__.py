"""What a session tells, drawn onto its frames: for a virtual camera, or a file.

``state`` and everything that draws are pure; ``run`` puts them between a source and an output.
"""
