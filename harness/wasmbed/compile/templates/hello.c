/* Writes a line to the console, once. */
#include "wasmbed.h"

static const char text[] = "hello from C";

/* Called once after the deployment. */
WASMBED_EXPORT(run) void run(void) {
    wasmbed_log(WASMBED_INFO, text, sizeof text - 1);
}
