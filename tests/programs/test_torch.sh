#!/bin/sh
# PyTorch's own files: what torch.save writes, in either format and however it is wrapped, starts and
# is the same network as our own file of the same numbers. Skipped where BNN_PYTHON (or python3) has
# no torch; tests/engine/check_torch_file.c needs none.
# shellcheck source=tests/programs/lib.sh
. "$(dirname "$0")/lib.sh"

python=${BNN_PYTHON:-python3}
"$python" -c 'import sys, importlib.util as u; sys.exit(not u.find_spec("torch"))' 2>/dev/null || {
    echo "SKIPPED: PyTorch's files ($python has no torch)"
    exit 77
}
cat >resave.py <<'EOF'
"""resave.py TWIN: a checkpoint of ours as PyTorch's users save their own; resnet18.pth."""
import argparse, collections, json, os, struct, sys, torch
raw = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", raw[:8])[0]
state = collections.OrderedDict()
for name, t in json.loads(raw[8:8 + size]).items():
    if name != "__metadata__" and not name.startswith("optimizer."):
        first, last = (8 + size + at for at in t["data_offsets"])
        state[name] = torch.frombuffer(bytearray(raw[first:last]), dtype=torch.float32).reshape(t["shape"])
old = {"_use_new_zipfile_serialization": False}
torch.save(state, "zip.pth")
torch.save(state, "old.pth", **old)
torch.save(state, "protocol4.pth", pickle_protocol=4)
torch.save({n: torch.nn.Parameter(t) for n, t in state.items()}, "parameters.pt")
torch.save({"epoch": 7, "best_acc1": torch.tensor(3.0), "args": argparse.Namespace(lr=0.1),
            "state_dict": {"module." + n: t for n, t in state.items()},
            "optimizer": {"state": {0: {"momentum_buffer": state["fc.bias"]}}}}, "checkpoint.pth.tar")
torch.save({"model": {"_orig_mod." + n: t for n, t in state.items()}}, "wrapped.pt", **old)
torch.save({n: t.double() for n, t in state.items()}, "double.bin")
torch.save({n: t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t
            for n, t in state.items()}, "channels_last.bin")
whole = torch.cat([t.reshape(-1) for t in state.values()])  # one storage for all
parts = whole.split([t.numel() for t in state.values()])
for file, options in (("shared.pt", {}), ("shared_old.pt", old)):
    torch.save({n: p.view(t.shape) for (n, t), p in zip(state.items(), parts)}, file, **options)
torch.save({n: t.half() for n, t in state.items()}, "half.pth")
torch.save({n: t.bfloat16() for n, t in state.items()}, "bfloat.pth", **old)
os.mkdir("folder")
torch.save(state, "folder/pytorch_model.bin")
os.mkdir("shards")
names = list(state)
index = {n: "pytorch_model-0000%d-of-00002.bin" % (1 + i % 2) for i, n in enumerate(names)}
for file in set(index.values()):
    torch.save({n: state[n] for n in names if index[n] == file}, "shards/" + file)
json.dump({"metadata": {}, "weight_map": index}, open("shards/pytorch_model.bin.index.json", "w"))
class Module(torch.nn.Linear): pass
torch.save(Module(2, 2), "module.pt")
torch.save(Module(2, 2), "module_old.pt", **old)
class Runs:
    def __reduce__(self): return os.system, ("touch ran",)
torch.save({"fc.bias": state["fc.bias"], "fc.weight": Runs()}, "runs.pt")
torch.save({"state_dict": state, "hook": Runs()}, "beside.pt")

# ResNet-18 as torchvision names it, with random values.
def norm(name, size):
    made.update({name + ".weight": torch.rand(size), name + ".bias": torch.randn(size),
                 name + ".running_mean": torch.randn(size), name + ".running_var": torch.rand(size),
                 name + ".num_batches_tracked": torch.tensor(5)})
made = collections.OrderedDict({"conv1.weight": torch.randn(64, 3, 7, 7)})
norm("bn1", 64)
for stage in range(4):
    for block in range(2):
        name, out = "layer%d.%d" % (stage + 1, block), 64 << stage
        into = out // 2 if stage and not block else out
        made[name + ".conv1.weight"] = torch.randn(out, into, 3, 3)
        norm(name + ".bn1", out)
        made[name + ".conv2.weight"] = torch.randn(out, out, 3, 3)
        norm(name + ".bn2", out)
        if into != out:
            made[name + ".downsample.0.weight"] = torch.randn(out, into, 1, 1)
            norm(name + ".downsample.1", out)
made.update({"fc.weight": torch.randn(1000, 512), "fc.bias": torch.randn(1000)})
torch.save(made, "resnet18.pth")
torch.save({"state_dict": {"module." + n: t for n, t in made.items()}}, "resnet18.tar", **old)
EOF
cat >compare.py <<'EOF'
"""compare.py OURS THEIRS: each tensor of ours is in theirs, number by number."""
import json, struct, sys, torch
raw = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", raw[:8])[0]
theirs = torch.load(sys.argv[2])
for name, t in json.loads(raw[8:8 + size]).items():
    if name != "__metadata__":
        first, last = (8 + size + at for at in t["data_offsets"])
        ours = torch.frombuffer(bytearray(raw[first:last]), dtype=torch.float32).reshape(t["shape"])
        assert torch.equal(ours, theirs.pop(name)), name
assert all(name.endswith("num_batches_tracked") for name in theirs), theirs.keys()
EOF

short="--limit-train 16 --limit-test 2 --epochs 1"
# shellcheck disable=SC2086 # words
run 'a float network' float $short --algo fp32
check 'PyTorch saves it' "$python" -W ignore resave.py float/last.safetensors

# ---- bnn-train --init-from ----
start() { # NAME FILE: trains a bnn from it, into run; the file is always called the same
    rm -rf start
    cp -R "$2" start
    # shellcheck disable=SC2086
    run "$1" run $short --algo bnn --init-from start --overwrite
}
start 'our own' float/last.safetensors
cp run/last.safetensors wanted
for file in zip.pth old.pth protocol4.pth parameters.pt checkpoint.pth.tar wrapped.pt double.bin \
    channels_last.bin shared.pt shared_old.pt beside.pt folder shards; do
    start "$file" $file
    matches "$file" '^took 107 of 107 tensors from start$' .out
    equal "$file: notes" "$(grep -c note: .err)" 0
    same "$file" run/last.safetensors wanted
done
for type in half:F16 bfloat:BF16; do
    check "${type#*:}" "$helper" alter float/last.safetensors rounded "round=${type#*:}"
    start "${type#*:}, rounded" rounded
    cp run/last.safetensors rounded
    start "${type#*:}" "${type%%:*}.pth"
    same "${type#*:}" run/last.safetensors rounded
done

# ---- evaluated and packed ----
given='--arch resnet20 --algo fp32 --data cifar10'
predict() { # MODEL FILE OPTIONS...
    predict_model=$1
    predict_file=$2
    shift 2
    check "$predict_model" "$evaluate" "$predict_model" --data-dir cifar --quiet --limit-test 60 \
        --predictions "$predict_file" "$@"
}
predict float/last.safetensors ours
for file in zip.pth checkpoint.pth.tar shared_old.pt folder shards/; do
    # shellcheck disable=SC2086
    {
        predict $file theirs $given
        same "$file: evaluated" ours theirs
        check "$file: packed" "$pack" $file --output theirs.bnn $given
    }
    predict theirs.bnn theirs
    same "$file: packed" ours theirs
done
# shellcheck disable=SC2086
expect_fail 'nothing is written over it' 'shards/pytorch_model-00001-of-00002.bin' "$pack" shards \
    --output shards/pytorch_model-00001-of-00002.bin $given

# ---- what is no state dict is refused, and nothing is run ----
refused() { # FILE REGEX
    # shellcheck disable=SC2086
    expect_fail "$1" "$1: $2" "$evaluate" "$1" --data-dir cifar $given
}
refused module.pt 'holds no state dict but an object \(__main__.Module\).*torch.save\(model.state_dict'
refused module_old.pt 'holds no state dict but an object \(__main__.Module\)'
refused runs.pt "'fc.weight' is made by posix.system, which is not run here"
refuse 'nothing was run' test -e ran
head -c 5000 zip.pth >cut.pth
refused cut.pth '.*the file is damaged, or cut short'
head -c 50000 old.pth >cut_old.pth
refused cut_old.pth 'ends within its storage .*cut short'

# ---- torchvision's ResNet-18, at 224 pixels ----
for file in resnet18.pth resnet18.tar; do
    check "$file" "$helper" init resnet18 fp32 3x224x224 1000 $file 18.safetensors
    matches "$file" '^took 102 of 102 tensors, 0 have no place$' .out
    equal "$file: nothing else" "$(count_lines .out)" 1
    check "$file: number by number" "$python" compare.py 18.safetensors resnet18.pth
done
check 'resnet18: a bnn' "$helper" init resnet18 bnn 3x224x224 1000 resnet18.pth 18.safetensors
matches 'resnet18: a bnn' '^took 102 of 102 tensors, 0 have no place$' .out

done_testing
