/* Ends a step on Windows as the agent or a disaster does, and tells what became of the step and of its client.
 *
 *   agent.exe interrupt|kill READY PROGRAM ARGUMENT…
 *
 * READY is the file into which the client writes its process id. The agent cancels by a Ctrl+C to every process on the
 * console; a kill reaches the step alone. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static const DWORD LIMIT = 60000; /* milliseconds */

int main(int count, char **arguments) {
    char line[8192] = "";
    STARTUPINFOA start = {.cb = sizeof start};
    PROCESS_INFORMATION step;
    DWORD client = 0, code = 0;
    HANDLE process;

    for (int i = 3; i < count; i++) {
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s\"%s\"", i > 3 ? " " : "", arguments[i]);
    }
    if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &step)) {
        printf("cannot start %s: error %lu\n", line, GetLastError());
        return 2;
    }
    while (!client) {
        FILE *ready = fopen(arguments[2], "rb");
        if (ready) {
            if (fscanf(ready, "%lu", &client) != 1) client = 0;
            fclose(ready);
        }
        if (WaitForSingleObject(step.hProcess, 20) == WAIT_OBJECT_0) {
            puts("the step ended before its client began");
            return 2;
        }
    }
    process = OpenProcess(SYNCHRONIZE, FALSE, client);
    if (!strcmp(arguments[1], "kill")) {
        TerminateProcess(step.hProcess, 99);
    } else {
        SetConsoleCtrlHandler(NULL, TRUE);
        GenerateConsoleCtrlEvent(CTRL_C_EVENT, 0);
    }
    WaitForSingleObject(step.hProcess, LIMIT);
    GetExitCodeProcess(step.hProcess, &code);
    printf("the step ended with %lu\n", code);
    printf("the client %s\n", WaitForSingleObject(process, LIMIT) == WAIT_OBJECT_0 ? "ended" : "lives");
    return 0;
}
