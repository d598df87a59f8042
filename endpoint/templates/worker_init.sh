# Every job reads this, in bash, before it starts its workers: plain shell, to be changed for your
# site. It takes effect with the next job. Nothing in it leaves this machine, and only you can read
# it.

# The environment that holds globus-compute-endpoint and what the model was trained with.
@worker_init

# The registry that workers load models from, as a node reaches it. A user and a password, if it
# wants them, are better kept out of the address: MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD.
export MLFLOW_TRACKING_URI=@registry
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true

# Models are kept once a node, for all of its workers. A local disk is best, and better one that is
# not emptied after each job. Whoever can write there can change what workers run, so it must be
# yours; if it is not, the cache is in your home folder.
cache=@scratch/matminer-compute-$(id -u)
if mkdir -p -m 700 "$cache" && [ -O "$cache" ]; then
    export MATMINER_COMPUTE_CACHE=$cache
fi

# A worker a core: more threads only where a worker has a node to itself.
export MATMINER_COMPUTE_THREADS=1 OMP_NUM_THREADS=1
@ours