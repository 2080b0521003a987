#include "client/auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "util/file.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/text.h"

#define FILE_MAX_BYTES 4096

static int complain(char *problem, size_t problem_size, const char *path, const char *wrong)
{
        snprintf(problem, problem_size, "%s: %s", path, wrong);
        return -EINVAL;
}

static int parse(Auth *auth, char *line, size_t len, const char *path, char *problem, size_t problem_size)
{
        const char *cert = line, *colon;

        if (len && line[len - 1] == '\n')
                line[--len] = '\0';
        if (strlen(line) != len || strpbrk(line, "\r\n"))
                return complain(problem, problem_size, path, "must be one line, user:password");
        if (text_has_prefix(line, "digest:") && strchr(line + 7, ':'))
                cert += 7;
        colon = strchr(cert, ':');
        if (!colon || colon == cert || !colon[1])
                return complain(problem, problem_size, path, "must be one line, user:password");
        auth->scheme = strdup("digest");
        auth->cert = strdup(cert);
        if (auth->scheme && auth->cert)
                return 0;
        auth_deinit(auth);
        snprintf(problem, problem_size, "%s: out of memory", path);
        return -ENOMEM;
}

int auth_read(Auth *auth, const char *path, char *problem, size_t problem_size)
{
        char *data;
        size_t len;
        struct stat st;
        int r;

        *auth = (Auth){0};
        r = file_read(path, FILE_MAX_BYTES, &data, &len);
        if (r < 0) {
                snprintf(problem, problem_size, "%s: cannot read the credentials: %s", path, strerror(-r));
                return r;
        }
        if (stat(path, &st) == 0 && (st.st_mode & 077))
                log_warning("%s: others than its owner can read it; chmod 600", path);
        r = parse(auth, data, len, path, problem, problem_size);
        explicit_bzero(data, len);
        free(data);
        return r;
}

void auth_deinit(Auth *auth)
{
        if (auth->cert)
                explicit_bzero(auth->cert, strlen(auth->cert));
        free(auth->scheme);
        free(auth->cert);
        *auth = (Auth){0};
}
