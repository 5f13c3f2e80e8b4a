#!/bin/sh
# sysroot.sh FOLDER ARCHITECTURE PACKAGE...: unpacks Debian packages of another architecture, with all
# they depend on, into a folder to cross-compile against. Needs no root, and leaves what is installed
# on this machine alone. Does nothing if the folder holds just these packages already.
set -eu
folder=$1 architecture=$2
shift 2
wanted="$architecture $*"
if [ -e "$folder/.packages" ] && [ "$(cat "$folder/.packages")" = "$wanted" ]; then
    exit 0
fi
rm -rf "$folder"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd) # apt and links need it from the root
state=$folder/.apt
mkdir -p "$state/lists/partial" "$state/archives/partial"
: >"$state/status" # as if nothing were installed
get() {
    apt-get -qq -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
        -o APT::Sandbox::User=root -o Dir::State="$state" -o Dir::State::status="$state/status" \
        -o Dir::Cache="$state" "$@"
}
get update
get install -y --download-only --no-install-recommends "$@" >/dev/null
for package in "$state"/archives/*.deb; do
    dpkg-deb --extract "$package" "$folder"
done
rm -r "$state"
# Links from the root would lead out of the folder.
find "$folder" -type l -lname '/*' | while read -r link; do
    ln -sfn "$folder$(readlink "$link")" "$link"
done
echo "$wanted" >"$folder/.packages"
