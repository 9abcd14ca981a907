#!/usr/bin/env bash
# Measures the WebGPU backend on a machine with a GPU, beside PyTorch, in at most 8 minutes. Lies in the bundle
# that bundle.mjs makes and needs nothing but that folder, python3 with torch, timm and peft, and a Vulkan driver.
#   [OUT=folder] [PYTHON=python3] bash run.sh [--small]
# --small takes sizes that a software driver manages in minutes: it shows that everything runs, and compares
# nothing. The exit code is 0 when every part ran, 1 when one failed, 2 when nothing could be tried.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
small=false
[ "${1:-}" = --small ] && small=true
python=${PYTHON:-python3}
deadline=480
failed=()

main() {
  echo "KoRA Bench, commit $(cat "$here/commit"), run on $(date -u '+%Y-%m-%d %H:%M') UTC$($small && echo ', small sizes')"
  unpack || return 2
  # shellcheck source=/dev/null
  . "$scratch/run/find-driver.sh"
  bench=$scratch/run/node_modules/@kora-bench/backend-webgpu/bench
  keep_caches_in_scratch
  add_missing_libraries
  show_machine
  find_driver
  case $computes_on in
    gpu) ;;
    cpu)
      if ! $small; then
        explain_driver
        echo 'Only a software driver was found: with it these sizes take hours. --small shows that the parts run.'
        return 2
      fi
      echo 'ON A SOFTWARE DRIVER: this shows that everything runs, and compares nothing.'
      ;;
    *)
      explain_driver
      return 2
      ;;
  esac
  if $small; then measure_small; else measure; fi
  echo
  echo "$SECONDS s in all; results.jsonl, table.txt and log.txt are in $out"
  [ ${#failed[@]} = 0 ] && echo 'Every part ran.' && return 0
  printf 'FAILED: %s\n' "${failed[@]}"
  return 1
}

measure() {
  local vit=(--width 768 --heads 12 --batch 32)
  part 'conformance, f32' 65 conformance --seconds 40 --steps 3
  part 'conformance, f16' 30 conformance --seconds 12 --precision f16
  part 'products' 75 compare-products --python "$python"
  part 'training steps' 220 compare-steps --python "$python"
  part 'kernels of the LoRA step' 60 ../kernel-table "${vit[@]}" --products 2048,4096 --copy 134217728 --rows 25
  part 'tuning' 80 tuning
  part 'what a step costs the host, kernels without work' 30 ../encode-cost --image 32 --runs 300
  part 'what a step costs the host' 40 ../encode-cost "${vit[@]}" --runs 30 --work
}

measure_small() {
  local vit=(--depth 1 --width 64 --heads 1 --image 32 --batch 2)
  # Most of the time goes into lavapipe's compiler, which is twice as fast where it need not optimise; the rest is
  # too small for several threads.
  export GALLIVM_PERF=nopt OMP_NUM_THREADS=1 TORCHINDUCTOR_COMPILE_THREADS=1
  part 'conformance, f32' 60 conformance --seconds 12
  part 'conformance, f16' 40 conformance --seconds 5 --precision f16
  part 'products' 60 compare-products --python "$python" --size 256 --products 2 --rounds 2
  part 'training steps' 300 compare-steps --python "$python" "${vit[@]}" --steps 1 --rounds 2 --compiled lora
  part 'kernels of the LoRA step' 60 ../kernel-table "${vit[@]}" --products 256 --copy 1048576 --rows 8
  part 'tuning' 60 tuning "${vit[@]}" --size 256 --products 2 --steps 1 --rounds 2
  part 'what a step costs the host' 60 ../encode-cost "${vit[@]}" --runs 20 --work
}

# part TITLE SECONDS SCRIPT [ARGUMENT…]: runs a script of bench/gpu within its time and what is left of all.
part() {
  local title=$1 limit=$2 script=$3 left=$((deadline - SECONDS)) began=$SECONDS code lines
  shift 3
  echo
  echo "== $title"
  [ "$limit" -lt "$left" ] || limit=$left
  if [ "$limit" -lt 5 ]; then
    echo "not run: the $deadline s are over"
    failed+=("$title: not run")
    return
  fi
  echo "== $title" >>"$out/log.txt"
  lines=$(wc -l <"$out/log.txt")
  timeout -k 5 "$limit" "$node" "$bench/gpu/$script.mjs" "$@" --record "$out/results.jsonl" 2>>"$out/log.txt"
  code=$?
  case $code in
    0)
      echo "($((SECONDS - began)) s)"
      return
      ;;
    124 | 137)
      echo "stopped: its $limit s are over"
      failed+=("$title: stopped after $limit s")
      ;;
    *)
      echo "failed with code $code after $((SECONDS - began)) s"
      failed+=("$title: code $code")
      ;;
  esac
  echo 'the end of its log:'
  tail -n +$((lines + 1)) "$out/log.txt" | grep -v '^ *$' | tail -n 8 | cut -c 1-200 | sed 's/^/  /'
}

# Unpacks into the first folder where programs may run.
unpack() {
  local folder
  for folder in "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm "$here" "$out"; do
    scratch=$(mktemp -d "$folder/kora-gpu-XXXXXX" 2>/dev/null) || continue
    mkdir "$scratch/run"
    decompress | tar -x -C "$scratch/run" 2>>"$out/log.txt"
    node=$scratch/run/node
    if "$node" --version >>"$out/log.txt" 2>&1; then
      echo "unpacked in $SECONDS s; Node $("$node" --version)"
      return 0
    fi
    rm -rf "$scratch"
  done
  echo 'The bundle could not be unpacked where its Node runs; the end of the log:'
  tail -n 5 "$out/log.txt"
  scratch=
  return 1
}

decompress() {
  if command -v xz >/dev/null; then
    xz -dc "$here/payload.tar.xz"
  else
    "$python" -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), sys.stdout.buffer, 1 << 20)' \
      "$here/payload.tar.xz"
  fi
}

# What drivers and compilers keep on disk goes where it can be written; a home that can be is left alone, for
# Python may find packages there.
keep_caches_in_scratch() {
  mkdir -p "$scratch"/{home,cache,runtime,tmp}
  chmod 700 "$scratch/runtime"
  [ -d "${HOME:-}" ] && [ -w "$HOME" ] || export HOME=$scratch/home
  export XDG_CACHE_HOME=$scratch/cache XDG_RUNTIME_DIR=$scratch/runtime TMPDIR=$scratch/tmp
  export KORA_CACHE_DIR=$scratch/cache/kora __GL_SHADER_DISK_CACHE_PATH=$scratch/cache
  export TORCHINDUCTOR_CACHE_DIR=$scratch/cache/inductor TRITON_CACHE_DIR=$scratch/cache/triton
  export HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
}

show_machine() {
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>>"$out/log.txt" |
    sed 's/^/nvidia-smi: /'
  "$python" -c 'import sys, torch; print("python", sys.version.split()[0], "torch", torch.__version__, "sees a GPU:", torch.cuda.is_available())' \
    2>>"$out/log.txt" || echo "$python has no torch: see log.txt"
}

out=${OUT:-$here/out}
mkdir -p "$out" 2>/dev/null && [ -w "$out" ] || out=$(mktemp -d)
: >"$out/log.txt"
printf '{"part":"run","commit":"%s","small":%s}\n' "$(cat "$here/commit")" "$small" >"$out/results.jsonl"
scratch=
# In a function behind a pipe, so that what is printed is also kept, line by line.
{
  main
  code=$?
  [ -z "$scratch" ] || rm -rf "$scratch"
  exit $code
} | tee "$out/table.txt"
exit "${PIPESTATUS[0]}"
