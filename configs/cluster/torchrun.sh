#!/bin/bash
# One evaluation on the GPUs of several machines without a scheduler. From the checkout, which all machines see, the
# same line on each of them, but for NODE, which counts from 0:
#
#   NODES=2 NODE=0 GPUS=8 MASTER_ADDR=first-machine configs/cluster/torchrun.sh \
#       --vlm configs/vlm/qwen2_vl_2b.yaml --data my_shards.yaml --run_dir runs/mine
#
# Without NODE the machines number themselves as they arrive (rendezvous c10d); MASTER_ADDR is one of them.
#
# When a machine is lost, the others end at the latest when their own part is done; the same line everywhere resumes.
# --max-restarts is left at torchrun's 0: it starts everything again after any failure, a mistake in the command too.
# SIGTERM to torchrun stops its machine after the batch in hand; longer than 30 seconds torchrun does not wait.

port="${MASTER_PORT:-29500}"
if [ "${NODE:-}" ]; then
    meeting=(--node-rank="$NODE" --master-addr="$MASTER_ADDR" --master-port="$port")
else
    meeting=(--rdzv-backend=c10d --rdzv-endpoint="$MASTER_ADDR:$port" --rdzv-id=seewhy)
fi

exec "${PYTHON:-.venv/bin/python}" -m torch.distributed.run \
    --nnodes="${NODES:?how many machines}" --nproc-per-node="${GPUS:?how many on each}" "${meeting[@]}" \
    run_eval.py --trainer.num_nodes "$NODES" --trainer.devices "$GPUS" "$@"
