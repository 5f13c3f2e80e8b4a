#!/usr/bin/env python3
"""What test_fetch.sh fetches from.

data_server.py make DIR          makes archives, good and hostile, and DIR/table.json
data_server.py serve DIR LOG     serves DIR on 127.0.0.1; prints the port; a line in LOG a request

The first folder of a path says how it is served:
  plain/PATH      with ranges
  cut-N/PATH      breaks off after N bytes, the first time
  whole-N/PATH    the same, and answers a range with the whole file
  moved/PATH      is redirected to plain/PATH
  busy/PATH       503
  slow-N/PATH     stands still after N bytes, the first time
"""
import gzip
import hashlib
import http.server
import io
import json
import os
import socketserver
import sys
import tarfile
import time
import zipfile


def member(name, data=b"", **changes):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, data


def tar_of(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue(), mtime=0)


def zip_of(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


A = member("set/a.txt", b"first\n")
NOISE = bytes((i * i * 2654435761 >> 7) & 255 for i in range(200000))
GOOD = tar_of(member("set", type=tarfile.DIRTYPE, mode=0o755), A,
              member("./set/sub/b.bin", NOISE), member("set/._a.txt", b"the Mac's"),
              member("README", b"elsewhere"))
LINK = dict(type=tarfile.SYMTYPE)

ARCHIVES = {
    "good": GOOD,
    "zipped": zip_of({"set/a": "first", "set/sub/b": "second", "__MACOSX/c": "the Mac's"}),
    "badsum": GOOD,
    "huge": GOOD,
    "short": GOOD,
    "long": GOOD,
    "parent": tar_of(A, member("set/../../evil", b"evil")),
    "parent_elsewhere": tar_of(A, member("../evil", b"evil")),
    "absolute": tar_of(A, member("/tmp/bnn-evil", b"evil")),
    "zip_parent": zip_of({"set/a": "first", "../../evil": "evil"}),
    "escape": tar_of(A, member("set/out", linkname="../..", **LINK), member("set/out/evil", b"evil")),
    "hard": tar_of(A, member("set/hard", linkname="/etc/passwd", type=tarfile.LNKTYPE)),
    "fifo": tar_of(A, member("set/fifo", type=tarfile.FIFOTYPE)),
    "bomb": tar_of(A, member("set/bomb", bytes(10000000))),
    "many": tar_of(A, *[member("set/%d" % i) for i in range(100)]),
    "below_file": tar_of(A, member("set/a.txt/b", b"evil")),
    "elsewhere": tar_of(member("other/a.txt", b"first\n")),
    "lacks": tar_of(member("set/c.txt", b"third\n")),
    "damaged": GOOD[:len(GOOD) // 2],
    "no_archive": b"<html>Not what you asked for</html>",
}


def make(folder):
    sets = []
    for name, data in ARCHIVES.items():
        file = name + (".zip" if name.startswith("zip") else ".tar.gz")
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        with open(os.path.join(folder, name, file), "wb") as out:
            out.write(data)
        entry = {"url": "http://127.0.0.1:1/nowhere/" + file, "bytes": len(data),
                 "sha256": hashlib.sha256(data).hexdigest(),
                 "md5": hashlib.md5(data).hexdigest(), "inside": "set"}
        one = {"name": name, "folder": "sets/" + name, "text": "for tests", "files": [entry]}
        if name == "badsum":
            entry["sha256"] = "0" * 64
        elif name == "short":
            entry["bytes"] += 1
        elif name == "long":
            entry["bytes"] -= 1
        elif name == "huge":
            one["unpacked"] = 1 << 50
        elif name == "bomb":
            one["unpacked"] = 1000000
        elif name == "many":
            one["entries"] = 40
        elif name == "lacks":
            one["parts"] = [{"path": "a.txt"}]
        elif name == "good":
            one["parts"] = [{"path": "a.txt", "bytes": 6}, {"path": "sub"}]
        sets.append(one)
    os.makedirs(os.path.join(folder, "single"), exist_ok=True)
    with open(os.path.join(folder, "single", "one.gz"), "wb") as out:
        out.write(GOOD)
    # Nobody says how large it is, nor its checksum.
    sets.append({"name": "single", "files": [{"url": "http://127.0.0.1:1/one.gz"}]})
    with open(os.path.join(folder, "table.json"), "w") as out:
        json.dump({"sets": sets}, out)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        how, _, path = self.path.lstrip("/").partition("/")
        asked = self.headers.get("Range")
        with open(self.server.log_file, "a") as log:
            log.write("%s %s\n" % (self.path, asked or "-"))
        if how == "busy":
            return self.send_error(503)
        if how == "moved":
            self.send_response(302)
            self.send_header("Location", "/plain/" + path)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        file = os.path.join(self.server.folder, path)
        if not os.path.isfile(file):
            return self.send_error(404)
        with open(file, "rb") as source:
            data = source.read()
        self.answer(how, data, asked)

    def answer(self, how, data, asked):
        kind, _, most = how.partition("-")
        start = int(asked.split("=")[1].split("-")[0]) if asked else 0
        if asked and kind != "whole":
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(data) - 1, len(data)))
            data = data[start:]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        first = self.path not in self.server.served
        self.server.served.add(self.path)
        if most and first:
            self.wfile.write(data[:int(most)])
            self.wfile.flush()
            if kind == "slow":
                time.sleep(600)
            self.close_connection = True
        else:
            self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


def serve(folder, log):
    server = Server(("127.0.0.1", 0), Handler)
    server.folder, server.log_file, server.served = folder, log, set()
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    {"make": make, "serve": serve}[sys.argv[1]](*sys.argv[2:])
