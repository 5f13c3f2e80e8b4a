# shellcheck shell=sh
# Sourced. clang_14 NAME: sets $tool to what is called clang-NAME and is version 14, whose words and
# checks the rules are written for; without one, the test is skipped (77).
clang_14() {
    for tool in "clang-$1-14" "clang-$1"; do
        if command -v "$tool" >/dev/null && "$tool" --version | grep -q 'version 14\.'; then
            return
        fi
    done
    echo "SKIPPED: no clang-$1 14"
    exit 77
}
