/* Just enough of libnvidia-ml.so.1 to drive the real pynvml: two GPUs, or the error in STUB_NVML_INIT.

   GPU 0 offers everything. GPU 1 has no fan and no power reading, as a passively cooled card in a container
   has, and is lost after STUB_NVML_LOST_AFTER readings. STUB_NVML_BUSY is GPU 0's utilisation in percent. */
#include <stdio.h>
#include <stdlib.h>

enum { OK = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4, INSUFFICIENT_SIZE = 7, LOST = 15, UNKNOWN = 999 };

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } rates_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gpu_instance, compute_instance; } process_t;

static int devices[2] = {0, 1};
static int readings = 0;

static int number(const char *variable, int otherwise) {
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}
static int index_of(void *device) { return *(int *)device; }

int nvmlInitWithFlags(unsigned int flags) { return number("STUB_NVML_INIT", OK); }
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == LOST ? "GPU is lost" : "stub error"; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) {
    *device = &devices[index];
    return OK;
}
int nvmlDeviceGetName(void *device, char *name, unsigned int length) {
    snprintf(name, length, "Stub %d", index_of(device));
    return OK;
}
int nvmlDeviceGetUUID(void *device, char *uuid, unsigned int length) {
    snprintf(uuid, length, "GPU-stub-%d", index_of(device));
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *device, memory_t *memory) {
    if (index_of(device) == 1 && ++readings > number("STUB_NVML_LOST_AFTER", 1 << 30)) return LOST;
    memory->total = 24ULL << 30;
    memory->used = (unsigned long long)(index_of(device) + 1) << 30;
    memory->free = memory->total - memory->used;
    return OK;
}
int nvmlDeviceGetUtilizationRates(void *device, rates_t *rates) {
    rates->gpu = index_of(device) == 0 ? number("STUB_NVML_BUSY", 90) : 0;
    rates->memory = 0;
    return OK;
}
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned int *celsius) {
    *celsius = 60 + index_of(device);
    return number("STUB_NVML_TEMPERATURE", OK);
}
int nvmlDeviceGetFanSpeed(void *device, unsigned int *percent) {
    *percent = 35;
    return index_of(device) == 0 ? OK : NOT_SUPPORTED;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned int *milliwatts) {
    *milliwatts = 250500;
    return index_of(device) == 0 ? OK : NO_PERMISSION;
}
/* Two processes on GPU 0, the second of which the driver tells no memory of; none on GPU 1. */
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned int *count, process_t *processes) {
    unsigned int room = *count;
    *count = index_of(device) == 0 ? 2 : 0;
    if (room < *count) return INSUFFICIENT_SIZE;
    if (*count) {
        processes[0] = (process_t){4711, 512ULL << 20, 0, 0};
        processes[1] = (process_t){4712, ~0ULL, 0, 0};
    }
    return OK;
}
/* A process that computes and draws is in both lists. */
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *device, unsigned int *count, process_t *processes) {
    unsigned int room = *count;
    *count = index_of(device) == 0 ? 1 : 0;
    if (room < *count) return INSUFFICIENT_SIZE;
    if (*count) processes[0] = (process_t){4711, 512ULL << 20, 0, 0};
    return OK;
}
