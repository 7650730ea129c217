/* Just enough of libnvidia-ml.so.1 to drive the real pynvml: two GPUs, or the error in STUB_NVML_INIT. */
#include <stdio.h>
#include <stdlib.h>

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int instance, compute; } process_t;

static int devices[2] = {0, 1};

int nvmlInitWithFlags(unsigned int flags) {
    const char *code = getenv("STUB_NVML_INIT");
    return code ? atoi(code) : 0;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : "stub error"; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) {
    *device = &devices[index];
    return 0;
}
int nvmlDeviceGetName(void *device, char *name, unsigned int length) {
    snprintf(name, length, "Stub %d", *(int *)device);
    return 0;
}
int nvmlDeviceGetUUID(void *device, char *uuid, unsigned int length) {
    snprintf(uuid, length, "GPU-stub-%d", *(int *)device);
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *device, memory_t *memory) {
    if (getenv("STUB_NVML_LOST") && *(int *)device == 1) return 15;
    memory->total = 24ULL << 30;
    memory->used = (unsigned long long)(*(int *)device + 1) << 30;
    memory->free = memory->total - memory->used;
    return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned int *count, process_t *processes) {
    unsigned int room = *count;
    *count = 1;
    if (room < 1) return 7; /* insufficient size */
    processes[0] = (process_t){4000 + *(int *)device, 512ULL << 20, 0, 0};
    return 0;
}
