#!/bin/sh
# bnn-data: fetching from a server on loopback, that breaks off, moves, and serves hostile archives;
# and looking at what is there.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/programs/lib.sh
. "$here/lib.sh"
data=$1/bnn-data
unset http_proxy https_proxy all_proxy ALL_PROXY HTTP_PROXY HTTPS_PROXY

# ---- what needs no library ----
check list "$data" list
matches "list shows sets" '^cifar10 +170 MB' .out
matches "list shows what is to be got by hand" '^imagenet +by hand' .out
check "list of one" "$data" list cifar10 imagenet
matches "an address" 'https://www.cs.toronto.edu/.*/cifar-10-binary.tar.gz' .out
matches "a checksum" 'MD5 +c32a1d4ab5d03f1284b67883e8d87530' .out
matches "by hand" 'image-net.org/download' .out
check "no checksum is said so" "$data" list modelnet40_hdf5
matches "none published" 'none published' .out
expect_fail "unknown set" "there is no data set 'cifar11' \(did you mean cifar10\?\)" "$data" list cifar11
expect_fail "unknown command" 'fetch' "$data" fetsch cifar10
expect_fail "fetch of nothing" 'which data set' "$data" fetch
expect_fail "nothing there" 'none of the data sets lies there' "$data" check --output nowhere
expect_fail "one that is not there" 'bnn-data fetch cifar10 gets it' "$data" check cifar10
expect_fail "one to be got by hand" 'bnn-data list imagenet tells' "$data" check imagenet
expect_fail "fetching it" 'bnn-data list imagenet tells' "$data" fetch imagenet
echo '{"sets": [{"name": "x", "files": [{"url": "http://a/b", "inside": "../c"}]}]}' >bad.json
expect_fail "a table that leads out" "set 1: inside must be a relative path" "$data" list --table bad.json
echo '{"sets": [' >bad.json
expect_fail "a table that is no JSON" 'bad.json:2: ' "$data" list --table bad.json
expect_fail "no table" 'none.json: cannot open' "$data" list --table none.json

# ---- sizes and samples of the real sets ----
mkdir -p there/cifar-10-batches-bin
cp cifar/cifar-10-batches-bin/*.bin there/cifar-10-batches-bin 2>/dev/null || cp cifar/*.bin there/cifar-10-batches-bin
"$data" check cifar10 --output there >.out 2>.err
judge "a small CIFAR-10" '6 of the 6 things looked at are missing or damaged' '^$' $? bnn-data
matches "is told by file" 'test_batch.bin: has [0-9]+ bytes, expected 30730000' .out

# ---- fetching ----
if "$data" fetch cifar10 --tries 1 --mirror ftp://127.0.0.1/ 2>&1 | grep -q 'was built without'; then
    expect_fail "fetching without libraries" 'was built without lib' "$data" fetch cifar10
    done_testing
fi
if ! command -v python3 >/dev/null; then
    echo "SKIPPED: no python3 to serve archives"
    done_testing
fi
python3 "$here/data_server.py" make "$work/served" || exit 1
python3 "$here/data_server.py" serve "$work/served" "$work/requests" >port &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$work"' EXIT
waits=0
until [ -s port ] || [ $waits -eq 200 ]; do
    sleep 0.05
    waits=$((waits + 1))
done
url=http://127.0.0.1:$(cat port)
rm -rf data
fetch() { # HOW SET OPTIONS...
    fetch_how=$1
    shift
    "$data" fetch --table served/table.json --mirror "$url/$fetch_how" --tries 1 "$@"
}
refused() { # NAME REGEX HOW SET OPTIONS...: one line, and nothing is in place
    refused_name=$1
    refused_regex=$2
    shift 2
    : >requests
    fetch "$@" >.out 2>.err
    judge "$refused_name" "$refused_regex" "$progress" $? bnn-data
    checks=$((checks + 1))
    if [ -e "data/sets/$2" ] || [ -e "data/.$2.fetch/unpacked" ]; then
        fail "$refused_name: something was left"
    fi
}

check "a good archive" fetch plain good
equal "its files" "$(find data -type f | LC_ALL=C sort | tr '\n' ' ')" \
    "data/sets/good/SHA256SUMS data/sets/good/a.txt data/sets/good/sub/b.bin "
equal "its content" "$(cat data/sets/good/a.txt)" first
checks=$((checks + 1))
(cd data/sets/good && sha256sum --quiet -c SHA256SUMS) || fail "sha256sum does not agree"
check "fetched again" fetch plain good
matches "it is there already" 'is there already' .out
check "it is whole" "$data" check good --table served/table.json
matches "so it says" 'sets/good is whole' .out
printf x | dd of=data/sets/good/sub/b.bin bs=1 seek=100000 conv=notrunc 2>/dev/null
"$data" check good --table served/table.json >.out 2>.err
judge "a byte is another" '1 of the 4 things' "$progress" $? bnn-data
matches "which file" 'sub/b.bin: is damaged' .out
rm data/sets/good/a.txt
"$data" check --table served/table.json >.out 2>.err
judge "a file is gone" '3 of the 4 things' "$progress" $? bnn-data
rm -r data/sets

check "a zip, moved" fetch moved zipped
equal "its files" "$(cd data/sets/zipped && find . -type f | LC_ALL=C sort | tr '\n' ' ')" \
    "./SHA256SUMS ./a ./sub/b "
check "a file as it is, of unknown size" fetch plain single
same "is it" data/single/one.gz served/single/one.gz
check "a pattern" fetch plain 'go*'

# ---- on where it broke off ----
rm -rf data requests
fetch cut-5000 good >.out 2>.err
judge "breaks off" 'repeat the command' "$progress" $? bnn-data
equal "what came is kept" "$(wc -c <data/.good.fetch/good.tar.gz.part | tr -d ' ')" 5000
checks=$((checks + 1))
[ ! -e data/sets ] || fail "something is in place"
check "goes on" fetch plain good
equal "from there" "$(tail -n 1 requests)" "/plain/good/good.tar.gz bytes=5000-"
check "and is whole" "$data" check good --table served/table.json
rm -rf data
check "goes on by itself" fetch cut-7000 good --tries 2
equal "from there" "$(tail -n 1 requests)" "/cut-7000/good/good.tar.gz bytes=7000-"
rm -rf data
check "a server without ranges" fetch whole-6000 good --tries 2
check "is whole, too" "$data" check good --table served/table.json
rm -rf data
check "unknown size, broken off" fetch cut-9000 single --tries 2
same "is whole" data/single/one.gz served/single/one.gz
rm -rf data
mkdir -p data/.good.fetch
cp served/good/good.tar.gz data/.good.fetch/good.tar.gz.part
rm -f requests
check "all of it came already" fetch plain good
checks=$((checks + 1))
[ ! -e requests ] || fail "it was asked for again" requests

# ---- stopped ----
rm -rf data
# shellcheck disable=SC2317 # freeze calls it
began() { [ -s data/.good.fetch/good.tar.gz.part ]; }
freeze began "$data" fetch good --table served/table.json --mirror "$url/slow-8000"
thaw INT
equal "interrupted" "$ended" 130
matches "how to go on" 'the same command goes on' frozen.err
check "goes on" fetch plain good
check "and is whole" "$data" check good --table served/table.json

# ---- what is refused ----
rm -rf data
refused "404" 'answers HTTP 404' plain/nowhere good
refused "503" 'answers HTTP 503' busy good
refused "no room" 'huge: [0-9]+ TB are needed, and .* has .* left' plain huge
refused "no server" 'repeat the command to go on' plain good --mirror http://127.0.0.1:1
refused "another protocol" 'rotocol' plain good --mirror "file://$work/served"
refused "wrong checksum" 'its SHA-256 is .*, published is 0000' plain badsum
checks=$((checks + 1))
[ ! -e data/.badsum.fetch/badsum.tar.gz.part ] || fail "what is wrong was kept"
refused "too short" 'its size is [0-9]+ bytes, published is [0-9]+' plain short
refused "too long" 'is larger than the [0-9]+ bytes' plain long
refused "a real set from a mirror that has another" 'HTTP 404|larger|published' plain cifar10
for name in parent parent_elsewhere zip_parent absolute; do
    refused "$name" 'is no path below the folder' plain $name
done
refused "a link out" 'is a link or a device' plain escape
refused "a hard link" 'is a link or a device' plain hard
refused "a pipe" 'is a link or a device' plain fifo
refused "a bomb" 'larger than the set can be' plain bomb
refused "too many files" 'one file more than the set can have' plain many
refused "a file below a file" 'a.txt' plain below_file
refused "another folder" 'has no folder set' plain elsewhere
refused "a part is missing" 'there is no a.txt in what was fetched' plain lacks
refused "a damaged archive" 'fetch it again' plain damaged
refused "no archive" 'no_archive.tar.gz: ' plain no_archive
equal "nothing got out" "$(find . /tmp/bnn-evil -name '*evil*' 2>/dev/null | head -n 1)" ""

# ---- places ----
: >file
fetch plain good --output file >.out 2>.err
judge "a file in the way" 'is a file' '^$' $? bnn-data
if [ "$(id -u)" -ne 0 ]; then
    mkdir -m 500 closed
    fetch plain good --output closed >.out 2>.err
    judge "a folder that is closed" 'closed' '^$' $? bnn-data
fi
done_testing
