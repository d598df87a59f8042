"""Run this folder as an MLflow project, also where the package itself is not installed.

``mlflow run`` starts a command in this folder, in an environment that has the dependencies that
``python_env.yaml`` names. MLflow reuses that environment for every checkout, so the package must
not be installed into it: a later checkout would run an earlier one's code. Instead the folders
beside this one are the package's, under the names they have when installed.
"""

import runpy
import sys
from pathlib import Path
from types import ModuleType

package = ModuleType("matminer_compute")
package.__path__ = [str(Path(__file__).resolve().parent.parent)]
sys.modules["matminer_compute"] = package
runpy.run_module("matminer_compute.model", run_name="__main__")
