# shellcheck shell=bash disable=SC2154
# Finds a Vulkan driver for run.sh, which says where `node`, `bench`, `scratch` and `out` are.

# Whether a program can open a library, dependencies included.
can_load() {
  "$node" -e '
    try {
      process.dlopen({ exports: {} }, process.argv[1]);
    } catch ({ message }) {
      // Whatever is no module of Node was loaded when it says so.
      process.exit(/did not self-register/.test(message) ? 0 : 1);
    }' "$1"
}

add_library_folder() {
  export LD_LIBRARY_PATH=$1${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# The loader, and what NVIDIA's driver wants of X11, from the bundle where the machine has none of its own.
add_missing_libraries() {
  local library name folder added=()
  mkdir "$scratch/libraries"
  for library in "$scratch"/run/lib/*; do
    name=${library##*/}
    can_load "$name" && continue
    ln -s "$library" "$scratch/libraries/$name"
    added+=("$name")
  done
  if [ ${#added[@]} -gt 0 ]; then
    add_library_folder "$scratch/libraries"
    echo "libraries of the bundle, which this machine lacks: ${added[*]}"
  fi
  can_load libGLX_nvidia.so.0 && return
  for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib /usr/lib/x86_64-linux-gnu/nvidia/current; do
    if [ -e "$folder/libGLX_nvidia.so.0" ]; then
      add_library_folder "$folder"
      echo "added to LD_LIBRARY_PATH: $folder"
      return
    fi
  done
}

# 0: on a GPU, 10: on the CPU, otherwise on nothing.
look_for_adapter() {
  timeout -k 5 60 "$node" "$bench/gpu/adapter.mjs" --quiet >>"$out/log.txt" 2>&1
}

# Driver files that the loader does not look at, or that another driver may stand in front of. The last are
# written here: NVIDIA's library for EGL also is a Vulkan driver and needs nothing of X11.
driver_files() {
  local library
  ls /usr/local/nvidia/share/vulkan/icd.d/*.json /usr/local/share/vulkan/icd.d/*.json \
    /opt/*/share/vulkan/icd.d/*.json {/usr/share,/etc}/vulkan/icd.d/*nvidia*.json 2>/dev/null
  mkdir -p "$scratch/icd"
  for library in libGLX_nvidia.so.0 libEGL_nvidia.so.0; do
    can_load "$library" || continue
    printf '{"file_format_version": "1.0.0", "ICD": {"library_path": "%s", "api_version": "1.3.0"}}\n' "$library" \
      >"$scratch/icd/$library.json"
    echo "$scratch/icd/$library.json"
  done
}

# Sets VK_DRIVER_FILES where that is needed to reach a GPU, or else any driver, and `computes_on` to gpu, cpu or
# nothing; shows what was found.
find_driver() {
  local file found code usable=
  look_for_adapter
  found=$?
  if [ $found != 0 ] && [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]; then
    while read -r file; do
      VK_DRIVER_FILES=$file look_for_adapter
      code=$?
      echo "tried the driver file $file: $(case $code in 0) echo a GPU ;; 10) echo a software driver ;; *) echo no adapter ;; esac)"
      if [ $code = 0 ] || { [ $code = 10 ] && [ $found != 10 ]; }; then
        found=$code
        usable=$file
      fi
      [ $found != 0 ] || break
    done < <(driver_files)
    [ -z "$usable" ] || export VK_DRIVER_FILES=$usable
  fi
  case $found in 0) computes_on=gpu ;; 10) computes_on=cpu ;; *) computes_on=nothing ;; esac
  [ -z "${VK_DRIVER_FILES:-}" ] || echo "VK_DRIVER_FILES=$VK_DRIVER_FILES"
  timeout -k 5 60 "$node" "$bench/gpu/adapter.mjs" 2>>"$out/log.txt"
}

# What the loader and Dawn say of why there is no GPU.
explain_driver() {
  local log=$scratch/why.log
  VK_LOADER_DEBUG=all timeout -k 5 60 "$node" "$bench/gpu/adapter.mjs" --why >"$log" 2>&1
  cat "$log" >>"$out/log.txt"
  echo 'What the Vulkan loader says (all of it in log.txt):'
  # It says the same for each instance that Dawn makes.
  grep -iE 'error|warn|nvidia|adapter|driver' "$log" | cut -c 1-200 | awk '!seen[$0]++' | tail -n 25
  ls -l /dev/nvidia* /dev/dri 2>&1 | head -n 20
}
