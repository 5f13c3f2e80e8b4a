#!/bin/sh
# board.sh BUILD: tools/board.sh against a board that is a folder: ssh and scp are found that only
# copy and call, and its programs, for 64-bit ARM, run under qemu-user. The model is packed with the
# programs in BUILD. Skipped (77) where cross compiler, emulator or libraries cannot be had.
set -eu
cd "$(dirname "$0")/.."
root=$PWD

skip() {
    echo "SKIPPED: no board: $1"
    exit 77
}

tools/packages.sh gcc-aarch64-linux-gnu qemu-user-static make cmake pkg-config ||
    skip "the cross compiler or the emulator cannot be installed"
tools/sysroot.sh build-board-arm64/sysroot arm64 zlib1g-dev libjpeg62-turbo-dev libpng-dev \
    libjansson-dev libgomp1 || skip "the libraries for arm64 cannot be downloaded"

set -- "$(cd "$1" && pwd)" "$(cd "$1/tests" && pwd)"
# shellcheck source=tests/programs/lib.sh
. tests/programs/lib.sh

mkdir bin home
export BOARD_HOME="$work/home" BOARD_KIND=aarch64
cat >bin/ssh <<'END'
#!/bin/sh
while :; do
    case $1 in
    -O) exit 0 ;;
    -o) shift 2 ;;
    *) break ;;
    esac
done
[ "$1" = me@shelf ] || exit 255
if [ "$2" = 'uname -m' ]; then
    echo "$BOARD_KIND"
else
    HOME=$BOARD_HOME sh -c "$2"
fi
END
cat >bin/scp <<'END'
#!/bin/sh
while :; do
    case $1 in
    -q) shift ;;
    -o) shift 2 ;;
    *) break ;;
    esac
done
from=${1#me@shelf:} to=${2#me@shelf:}
cp "$from" "$to" || exit 1
if [ "$(basename "$from")" = bnn-bench ]; then
    mv "$to/bnn-bench" "$to/program"
    printf '#!/bin/sh\nexec qemu-aarch64-static "%s" "$@"\n' "$to/program" >"$to/bnn-bench"
    chmod +x "$to/bnn-bench"
fi
END
chmod +x bin/ssh bin/scp
PATH=$work/bin:$PATH

nothing_left() {
    equal "$1: what is left on the board" "$(ls -A "$BOARD_HOME")" ""
}

refused() { # NAME REGEX ARGUMENTS...
    refused_name=$1 refused_regex=$2
    shift 2
    refuse "$refused_name" "$root/tools/board.sh" "$@"
    matches "$refused_name: why" "^board.sh: $refused_regex" .out
    nothing_left "$refused_name"
}

run "a run" reactnet --algo reactnet
check "export" "$pack" reactnet/last.safetensors --output small.bnn
check "a board" "$root/tools/board.sh" me@shelf small.bnn -- --repeat 1
matches "a board: the row" '^small.bnn +[0-9.]+ ms +[0-9.]+ ms .* cpu neon, threads: 1$' .out
rows=board/shelf/small.bnn.json
equal "a board: instruction set" "$(json $rows 0.isa)" "cpu neon"
equal "a board: repeat" "$(json $rows 0.repeat)" 1
equal "a board: baseline" "$(json $rows 0.baseline)" fp32
equal "a board: storage" "$(json $rows 0.file_bytes)" "$(wc -c <small.bnn | tr -d ' ')"
nothing_left "a board"
run "another run" other/reactnet --algo reactnet --epochs 1
check "a board again" "$root/tools/board.sh" me@shelf small.bnn reactnet other/reactnet/best.safetensors \
    reactnet/last.safetensors -- --repeat 1
equal "a board again: all results" "$(find board/shelf -type f | sort | sed 's/.*\///' | tr '\n' ' ')" "reactnet-2.safetensors.json\
 reactnet-last.safetensors.json reactnet.safetensors.json small-2.bnn.json small.bnn.json "
matches "a board again: what is new" \
    '^board.sh: board/shelf/small.bnn.json is there already; small.bnn becomes small-2.bnn$' .err
matches "a board again: a run" '^reactnet.safetensors +[0-9.]+ ms' .out
equal "a board again: which model" "$(json board/shelf/reactnet-2.safetensors.json 0.model)" \
    reactnet-2.safetensors
nothing_left "a board again"

head -c 1000 small.bnn >cut.bnn
refused "a damaged model" 'cut.bnn: bnn-bench: ' me@shelf cut.bnn
mkdir empty
refused "no run" 'empty: has no best.safetensors' me@shelf empty
for suffix in tflite onnx; do
    : >"exported.$suffix"
    refused "$suffix" "exported.$suffix: the board runs packed files and checkpoints only" me@shelf \
        "exported.$suffix"
done
refused "no such file" 'absent.bnn: there is no such file' me@shelf absent.bnn
refused "no such board" 'me@cellar: ssh does not get there' me@cellar small.bnn
BOARD_KIND=riscv64
refused "another processor" 'me@shelf: is riscv64; programs are built for' me@shelf small.bnn
done_testing
