"""What these tests run on workers, besides our own functions; each is self-contained."""


def meet(folder, count):
    """Hold a worker until so many of them have come, and tell what it sees."""
    import os
    import pathlib
    import time

    here = pathlib.Path(folder, f"{os.environ['SLURMD_NODENAME']}-{os.getpid()}")
    here.touch()
    while len(list(here.parent.iterdir())) < count:
        time.sleep(0.05)
    wanted = ("MLFLOW_", "MATMINER_", "OMP_NUM_THREADS", "SLURMD_NODENAME")
    return {key: value for key, value in os.environ.items() if key.startswith(wanted)}


def stay(folder):
    """The first time, stay until the file ``go`` is there; whoever comes after says so at once."""
    import os
    import pathlib
    import time

    arrived = pathlib.Path(folder, "arrived")
    try:
        arrived.touch(exist_ok=False)
    except FileExistsError:
        return "again"
    arrived.write_text(os.environ["SLURMD_NODENAME"])
    while not arrived.with_name("go").exists():
        time.sleep(0.05)
    return "first"


def where():
    """The node and the job of the worker."""
    import os

    return os.environ["SLURMD_NODENAME"], os.environ["SLURM_JOB_ID"]
