/* What the routers of the two listeners share. */
#pragma once

#include "api/router.h"
#include "api/target.h"

#define ROUTER_JSON "application/json"
#define ROUTER_TEXT "text/plain; charset=utf-8"
#define ROUTER_PROBLEM_MAX 512

typedef struct Router {
        const ApiOps *ops;
        void *userdata;
        const RouterRequest *request;
        RouterReply *reply;
        Target target;
} Router;

/* Returns false if the target was refused. */
bool router_begin(Router *r, const ApiOps *ops, void *userdata, const RouterRequest *request, RouterReply *reply);
void router_end(Router *r);

/* Those that return bool have refused the request if it is false. */
bool router_is_get(Router *r);
/* NAME is the only parameter that may be given; NULL: none may. */
bool router_parameters_are(Router *r, const char *name);
const char *router_parameter(const Router *r, const char *name); /* NULL: not given */
void router_no_such_path(Router *r);
void router_no_such_unit(Router *r, const char *name);
const SnapshotUnit *router_find_unit(const Snapshot *snapshot, const char *name);
