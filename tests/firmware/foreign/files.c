/* Mounts the file system with the littlefs library, and reads from it. */
#include "files.h"
#include <lfs.h>
#include <stdio.h>
#include <string.h>

static int read_block(const struct lfs_config *config, lfs_block_t block, lfs_off_t offset, void *into, lfs_size_t size)
{
    memcpy(into, (const uint8_t *)config->context + block * config->block_size + offset, size);
    return 0;
}

/* The firmware writes nothing. */
static int no_write(const struct lfs_config *c, lfs_block_t b, lfs_off_t o, const void *from, lfs_size_t s)
{
    (void)c, (void)b, (void)o, (void)from, (void)s;
    return LFS_ERR_IO;
}
static int no_erase(const struct lfs_config *config, lfs_block_t block) { (void)config, (void)block; return LFS_ERR_IO; }
static int no_sync(const struct lfs_config *config) { (void)config; return 0; }

size_t read_file(const uint8_t *image, size_t size, size_t block, const char *name, uint8_t *into, size_t room)
{
    static lfs_t system;
    static struct lfs_config config;
    static bool mounted;
    lfs_file_t file;
    char path[40];
    if (!mounted) {
        config = (struct lfs_config){
            .context = (void *)image, .read = read_block, .prog = no_write, .erase = no_erase, .sync = no_sync,
            .read_size = 16, .prog_size = 16, .block_size = block, .block_count = size / block, .block_cycles = -1,
            .cache_size = 64, .lookahead_size = 16,
        };
        int error = lfs_mount(&system, &config);
        if (error) {
            printf("files: not mounted: %d\n", error);
            return 0;
        }
        mounted = true;
    }
    snprintf(path, sizeof path, "wasmbed/%s", name);
    if (lfs_file_open(&system, &file, path, LFS_O_RDONLY))
        return 0;
    lfs_soff_t length = lfs_file_size(&system, &file);
    if (length > (lfs_soff_t)room || lfs_file_read(&system, &file, into, room) != length)
        length = 0;
    lfs_file_close(&system, &file);
    return length > 0 ? (size_t)length : 0;
}
