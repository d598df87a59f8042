# Every pod runs this, in bash, before it starts its workers. Globus is sent it with this file, so
# no password belongs here; read one from a file of the image: '. /secrets/registry.sh'.

# What makes globus-compute-endpoint and the model's packages available in the image.
@worker_init

# The registry that workers load models from, as a pod reaches it.
export MLFLOW_TRACKING_URI=@registry
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true

# Models are kept once a pod, for all of its workers, and end with it.
export MATMINER_COMPUTE_CACHE=/tmp/matminer-compute

# A worker a core: more threads only where a worker has a pod to itself.
export MATMINER_COMPUTE_THREADS=1 OMP_NUM_THREADS=1
