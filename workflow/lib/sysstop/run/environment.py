"""The environment of the processes that a run starts, whatever the user's shell has set.

What would change results, break imports or distort figures is set or removed here, and nowhere
else. What says where things are and how to reach them stays as it is: PATH, HOME, TMPDIR, proxies,
certificates, MLFLOW_TRACKING_*, PMLB_CACHE, Ray's own settings (RAY_ and small letters). So does
what belongs to the machine: CPU kernels (OPENBLAS_CORETYPE, NPY_*), memory allocators (LD_PRELOAD,
MALLOC_*, GLIBC_TUNABLES).
"""

import os
import pwd
import site
import sys
from collections.abc import Mapping, MutableSequence
from importlib.machinery import PathFinder
from pathlib import Path

import sysstop

LIBRARY_FOLDER = Path(sysstop.__file__).parents[1]

SETTINGS = {
    # Python files that happen to be in the working directory are not imported instead of libraries.
    "PYTHONSAFEPATH": "1",
    # Files are UTF-8 on every machine, so that digests and reports do not depend on the locale.
    "PYTHONUTF8": "1",
    # Figures go to files. A notebook names a backend that only its own environment has.
    "MPLBACKEND": "agg",
}

REMOVED = {
    # Options of Python that change what is measured or printed, or keep a script from ending.
    "PYTHONDEVMODE",
    "PYTHONINSPECT",
    "PYTHONIOENCODING",
    "PYTHONMALLOC",
    "PYTHONMALLOCSTATS",
    "PYTHONOPTIMIZE",
    "PYTHONPROFILEIMPORTTIME",
    "PYTHONTRACEMALLOC",
    "PYTHONVERBOSE",
    "PYTHONWARNINGS",
    # MLflow runs are written to the experiment and run that follow from the config, before a job
    # ends.
    "MLFLOW_ACTIVE_MODEL_ID",
    "MLFLOW_ENABLE_ASYNC_LOGGING",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_RUN_ID",
    # `search.ray_address` says which Ray is used.
    "RAY_ADDRESS",
    "RAY_CLIENT_MODE",
    "RAY_JOB_CONFIG_JSON_ENV_VAR",
    "RAY_NAMESPACE",
    "RAY_RUNTIME_ENV_HOOK",
    # An experimental way of computing in SciPy and scikit-learn.
    "SCIPY_ARRAY_API",
}

REMOVED_PREFIXES = (
    # OpenMP binds processes to cores as soon as a library that includes it is imported, so that all
    # trials would share one; it also lets threads busy-wait. Numbers of threads are set where it
    # matters.
    "OMP_",
    "GOMP_",
    "KMP_",
    # Defaults of computations.
    "JOBLIB_",
    "PANDAS_",
    "SKLEARN_",
    "TUNE_",
)

# Packages that users installed for themselves (`pip install --user`) are not imported instead of those
# of the environment. Python looks there first, unless the environment is a virtual one.
OWN_PACKAGES_ONLY = {"PYTHONNOUSERSITE": "1"}

# In any of these Python looks for the user's name, before it asks the system. Snakemake and MLflow end
# with a traceback if nothing knows it, as in a container that runs under a number.
USER_NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")

# One thread per trial: a study measures one core, and trials run side by side.
THREAD_LIMITS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def chosen_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with this module's choices in place of what was given."""
    chosen = {
        name: value
        for name, value in given.items()
        if name not in REMOVED and not name.startswith(REMOVED_PREFIXES)
    }
    paths = [
        path
        for path in given.get("PYTHONPATH", "").split(os.pathsep)
        if not _is_working_directory(path)
    ]
    if paths:
        chosen["PYTHONPATH"] = os.pathsep.join(paths)
    else:
        chosen.pop("PYTHONPATH", None)
    if _environment_is_whole():
        chosen |= OWN_PACKAGES_ONLY
    if not any(chosen.get(name) for name in USER_NAMES) and not _system_knows_user():
        chosen["USER"] = f"user-{os.getuid()}"
    return chosen | SETTINGS


def choose_environment() -> None:
    """Choose the environment that all processes inherit that this one starts from here on."""
    chosen = chosen_environment(os.environ)
    for name in os.environ.keys() - chosen.keys():
        del os.environ[name]
    os.environ.update(chosen)


def measured_environment() -> dict[str, str]:
    """Return the environment of processes that run or start trials: the library, one thread."""
    chosen = chosen_environment(os.environ)
    paths = [str(LIBRARY_FOLDER), *filter(None, [chosen.get("PYTHONPATH")])]
    return chosen | THREAD_LIMITS | {"PYTHONPATH": os.pathsep.join(paths)}


def look_last_in_working_directory(path: MutableSequence[str] = sys.path) -> None:
    """Have modules in the working directory imported only if no other place has one of that name.

    Snakemake, and `python -m`, look there first.
    """
    path.sort(key=_is_working_directory)


def _environment_is_whole() -> bool:
    """Return whether Ray, for one, is installed elsewhere than among the user's own packages."""
    user_packages = site.getusersitepackages()
    others = [path for path in sys.path if path != user_packages]
    return PathFinder.find_spec("ray", others) is not None


def _system_knows_user() -> bool:
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True


def _is_working_directory(path: str) -> bool:
    return not path or Path(path).absolute() == Path.cwd() or Path(path).resolve() == Path.cwd()
