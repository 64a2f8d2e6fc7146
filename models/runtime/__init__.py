"""Where networks are computed. OpenVINO and NNCF are kept from reporting how they are used.

For each report OpenVINO forks a process in a thread, while other threads compute: OpenBLAS stops its own threads before
a fork, and whoever is in it then waits for ever. Nobody here was asked whether to report anything, either.
"""

import sys

# Both do without reports where this can't be imported. It must be so before either is.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # that is how an import is made to fail
