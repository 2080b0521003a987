#include "api/target.h"

#include <string.h>

static int hex(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %HH in place; PLUS: '+' is a blank, as in queries. Returns whether it is well-formed and holds no NUL.
 */
static bool decode(char *text, bool plus)
{
        char *to = text;

        for (const char *p = text; *p; p++) {
                if (*p == '%') {
                        int high = hex(p[1]), low = high < 0 ? -1 : hex(p[2]);

                        if (low < 0 || high + low == 0)
                                return false;
                        *to++ = (char)(high << 4 | low);
                        p += 2;
                } else {
                        *to++ = (char)(plus && *p == '+' ? ' ' : *p);
                }
        }
        *to = '\0';
        return true;
}

static const char *parse_path(Target *target, char *path)
{
        char *save = NULL;

        if (*path != '/')
                return "the target does not begin with '/'";
        if (path[1] == '\0')
                return NULL;
        for (char *part = path + 1; part; part = save) {
                save = strchr(part, '/');
                if (save)
                        *save++ = '\0';
                if (target->n_parts == TARGET_PARTS_MAX)
                        return "the path has too many components";
                if (!decode(part, false))
                        return "the path has a '%' that no two hexadecimal digits follow, or a NUL";
                target->parts[target->n_parts++] = part;
        }
        return NULL;
}

static const char *parse_query(Target *target, char *query)
{
        char *save = NULL;

        for (char *item = strtok_r(query, "&", &save); item; item = strtok_r(NULL, "&", &save)) {
                char *value = strchr(item, '=');

                if (value)
                        *value++ = '\0';
                else
                        value = item + strlen(item);
                if (target->n_parameters == TARGET_PARAMETERS_MAX)
                        return "the query has too many parameters";
                if (!decode(item, true) || !decode(value, true))
                        return "the query has a '%' that no two hexadecimal digits follow, or a NUL";
                for (size_t i = 0; i < target->n_parameters; i++)
                        if (strcmp(target->parameters[i].name, item) == 0)
                                return "the query names a parameter twice";
                target->parameters[target->n_parameters++] = (TargetParameter){.name = item, .value = value};
        }
        return NULL;
}

const char *target_parse(Target *target, const char *text)
{
        const char *problem;
        char *query;

        if (strlen(text) > TARGET_MAX)
                return "the target is longer than 2048 bytes";
        target->n_parts = target->n_parameters = 0;
        strcpy(target->text, text);
        query = strchr(target->text, '?');
        if (query)
                *query++ = '\0';
        problem = parse_path(target, target->text);
        target->parts[target->n_parts] = NULL;
        return problem || !query ? problem : parse_query(target, query);
}
