/* Stands in for buildx on Windows: records what it is asked for and what it could read, and says that it built an image
 * which the engine has already.
 *
 * STAND_IN_RECORD names the file, STAND_IN_IMAGE the image's id, STAND_IN_REGISTRY a registry to ask the login of. With
 * STAND_IN_READY it builds for ever, and writes its process id into that file once it does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static void record_file(FILE *record, const char *label, const char *path) {
    char line[4096];
    FILE *file = fopen(path, "rb");
    fprintf(record, "%s", label);
    while (file && fgets(line, sizeof line, file)) fprintf(record, "%s", line);
    fprintf(record, "\n");
    if (file) fclose(file);
}

static const char *after(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) ? NULL : text + strlen(start);
}

/* Asks the credential helper that the step laid before the PATH, as docker does. */
static void record_login(FILE *record) {
    char command[4096], answer[4096];
    snprintf(answer, sizeof answer, "%s.login", getenv("STAND_IN_RECORD"));
    snprintf(command, sizeof command, "docker-credential-feedbuild get >%s", answer);
    for (char *c = command; *c; c++) if (*c == '/') *c = '\\';
    FILE *helper = _popen(command, "w");
    if (!helper) return;
    fprintf(helper, "%s", getenv("STAND_IN_REGISTRY"));
    _pclose(helper);
    record_file(record, "login ", answer);
}

static BOOL WINAPI interrupted(DWORD event) {
    FILE *record = fopen(getenv("STAND_IN_RECORD"), "ab");
    fprintf(record, "event %lu\n", event);
    fclose(record);
    ExitProcess(1);
}

static void build_for_ever(const char *ready) {
    char fresh[4096];
    FILE *file;
    SetConsoleCtrlHandler(interrupted, TRUE);
    snprintf(fresh, sizeof fresh, "%s.new", ready);
    file = fopen(fresh, "wb");
    fprintf(file, "%lu", GetCurrentProcessId());
    fclose(file);
    rename(fresh, ready);
    Sleep(INFINITE);
}

int main(int count, char **arguments) {
    FILE *record = fopen(getenv("STAND_IN_RECORD"), "ab");
    if (!record) return 2;
    for (int i = 1; i < count; i++) {
        const char *path;
        fprintf(record, "argument %s\n", arguments[i]);
        if (after(arguments[i], "--secret=") && (path = strstr(arguments[i], "src="))) {
            record_file(record, "secret ", path + 4);
        }
        if ((path = after(arguments[i], "--metadata-file="))) {
            FILE *metadata = fopen(path, "wb");
            fprintf(metadata, "{\"containerimage.config.digest\": \"%s\", \"containerimage.digest\": \"%s\"}",
                    getenv("STAND_IN_IMAGE"), getenv("STAND_IN_IMAGE"));
            fclose(metadata);
        }
    }
    fprintf(record, "token %s\n", getenv("SECRET_SYSTEM_ACCESSTOKEN") ? "in the environment" : "hidden");
    record_login(record);
    fclose(record);
    if (getenv("STAND_IN_READY")) build_for_ever(getenv("STAND_IN_READY"));
    puts("the stand-in built");
    return 0;
}
