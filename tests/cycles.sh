#!/bin/sh
# cycles.sh OBJECT TRIPLE [LEAST]: what the binary tile of NEON, as it was compiled into OBJECT, can do
# on processors that are not here. Counts the instructions of its inner loop by kind, and divides by
# what a processor does of them in a cycle: the busiest of the vector pipes, the load pipes and the
# front end sets the pace. Prints binary multiply-adds (products of bits) a cycle beside what the
# vector pipes allow if xor, popcount and addition are done for every 128 of them, and beside what
# llvm-mca says, where it is installed. Fails if a processor is below LEAST percent of that.
#
# This is a model: it knows no caches, and of processors that work in order no waiting for results.
# Sources: "Cortex-A72 Software Optimization Guide" (two vector pipes of 128 bits, one load, three
# instructions a cycle; a selection of 128 bits counts as two operations, as LLVM's model of it has
# it); "Cortex-A76 Software Optimization Guide" (two, two, four); D. Johnson, "Apple
# M1 Firestorm Microarchitecture Overview" (four, three, eight). For Cortex-A53 and A7 Arm published
# none; their vector pipes are those of LLVM's models: A53 begins one operation of 128 bits a cycle,
# A7 half of one, and both load 64 bits.
set -eu
object=$1 triple=$2 least=${3:-0}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$triple-objdump" -d --no-show-raw-insn "$object" | sed 's|[ \t]*//.*||; s|[ \t]*@.*||' |
    awk -v loop="$work/loop.s" '
    # Lines are "  6d0:<tab>eor<tab>v7.16b, v3.16b, v6.16b".
    /^ *[0-9a-f]+:\t/ {
        split($0, part, "\t")
        sub(/^ */, "", part[1]); sub(/:$/, "", part[1])
        place[part[1]] = ++lines
        name[lines] = part[2]; operands[lines] = part[3]
        if (part[2] ~ /^(b[.a-z]|cbn?z|tbn?z)/ && match(part[3], /[0-9a-f]+ </)) {
            to = substr(part[3], RSTART, RLENGTH - 2)
            if (to in place) {
                counts = loops = 0
                for (i = place[to]; i < lines; i++) {
                    counts += name[i] ~ /^v?cnt/
                    loops += i in back
                }
                back[lines] = 1
                if (counts > most && !loops) { most = counts; first = place[to]; last = lines }
            }
        }
    }
    END {
        if (!most) { print "no loop that counts bits" > "/dev/stderr"; exit 1 }
        for (i = first; i < last; i++) {
            print "\t" name[i] "\t" operands[i] > loop
            vector = operands[i] ~ /^[{]?[vqd][0-9]/
            wide = operands[i] ~ /^([{]|[vq][0-9])/
            n = name[i]
            if (n ~ /^v?ldp/ && vector) loads += 2
            else if (n ~ /^v?ld/ && vector) loads += 1
            else if (n ~ /^v?stp/ && vector) stores += 2
            else if (n ~ /^v?st/ && vector) stores += 1
            else if (!vector) other++
            else if (n ~ /^v?eor/) eors++
            else if (n ~ /^v?(bsl|bit|bif)/) selects++
            else if (n ~ /^v?cnt/) counted++
            else if (n ~ /^v?(add|sub|uadalp|uaddlp|padal|paddl)/) adds++
            else copies++
        }
        print eors + 0, selects + 0, counted + 0, adds + 0, copies + 0, loads + 0, stores + 0, other + 1
    }' >"$work/counts"
read -r eors selects counts adds copies loads stores other <"$work/counts"
echo "$triple: a turn of the loop is $((128 * eors)) multiply-adds:" \
    "$eors xor, $selects selections, $counts popcounts, $adds additions, $copies copies," \
    "$loads loads, $stores stores, $other others"

mca=$(command -v llvm-mca || command -v llvm-mca-14 || true)
# Multiply-adds a cycle of LLVM's model of a processor; of some it has an older relative's.
second_opinion() {
    target=$triple
    [ "$triple" = aarch64-linux-gnu ] || target=thumbv7-linux-gnueabihf
    "${mca:-false}" -mtriple="$target" -mcpu="$1" -iterations=100 "$work/loop.s" 2>/dev/null |
        awk -v macs=$((128 * eors)) '/^Total Cycles:/ { printf "%.1f", 100 * macs / $3; found = 1 }
            END { if (!found) printf "-" }'
}

status=0
printf '%-12s %8s %8s %8s %8s  %-9s %s\n' processor cycles MAC/cycle bound percent busiest llvm-mca
# Operations and loads of 128 bits, and instructions, in two cycles; operations of a selection.
while read -r name pipes load issue select where; do
    case $where in *"$triple"*) ;; *) continue ;; esac
    awk -v name="$name" -v pipes="$pipes" -v load="$load" -v issue="$issue" -v least="$least" \
        -v vector=$((eors + select * selects + counts + adds + copies)) -v memory=$((loads + stores)) \
        -v other="$other" -v macs=$((128 * eors)) -v mca="$(second_opinion "$name")" 'BEGIN {
        cycles = 2 * vector / pipes; busiest = "vectors"
        if (2 * memory / load > cycles) { cycles = 2 * memory / load; busiest = "loads" }
        if (2 * (vector + memory + other) / issue > cycles) {
            cycles = 2 * (vector + memory + other) / issue; busiest = "front end"
        }
        bound = 128 / 3 * pipes / 2; percent = 100 * macs / cycles / bound
        printf "%-12s %8.1f %8.1f %8.1f %7.0f%%  %-9s %s\n", name, cycles, macs / cycles, bound,
            percent, busiest, mca
        exit percent < least
    }' || status=1
done <<END
cortex-a7 1 1 4 1 arm-linux-gnueabihf
cortex-a53 2 1 4 1 arm-linux-gnueabihf,aarch64-linux-gnu
cortex-a72 4 2 6 2 arm-linux-gnueabihf,aarch64-linux-gnu
cortex-a76 4 4 8 1 aarch64-linux-gnu
apple-m1 8 6 16 1 aarch64-linux-gnu
END
[ $status = 0 ] || echo "below $least percent of the bound"
exit $status
