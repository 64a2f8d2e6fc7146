import subprocess
import sys


def test_it_needs_none_of_the_models() -> None:
    heavy = ("torch", "cv2", "av", "openvino", "onnxruntime", "transformers", "scipy")
    script = f"import sys, m2fnet_client; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_sending_a_file_needs_no_networks() -> None:
    script = "import sys, serving.sessions.preview, stream.sources.file; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")
