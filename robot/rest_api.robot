*** Settings ***
Documentation    The platform over its REST API: what it shows, what it does, and what it refuses.

Resource         resources/wasmbed.resource

Test Tags        virtual    qemu    quick    requires:applications    requires:device-fields    requires:gateway-fields


*** Test Cases ***
A Connected Device Is Shown
    [Documentation]    The list has it with its phase, and a viewer may read that.
    ${board}=    Connect A Device
    ${answer}=    Ask Rest Api    GET    /api/v1/devices?status=Connected    role=viewer
    Should Be Equal As Integers    ${answer}[total]    1
    Should Be Equal    ${answer}[devices][0][id]    ${board.name}

A Device Is Disconnected And Let Back
    [Documentation]    Its gateway ends the session, and refuses the device until it may connect.
    [Tags]    requires:gateway-suspension
    ${board}=    Connect A Device
    Ask Rest Api    POST    /api/v1/devices/${board.name}/disconnect    role=operator
    Device Should Reach Phase    ${board}    Disconnected    within=30s
    Ask Rest Api    POST    /api/v1/devices/${board.name}/connect    role=operator
    Device Should Reach Phase    ${board}    Connected    within=30s

A Caller Without The Right Is Refused
    [Documentation]    The reason names the right.
    ${reason}=    Rest Api Should Refuse    403    DELETE    /api/v1/devices/pump-1    role=viewer
    Should Contain    ${reason}    no right to delete devices

The Terminal Runs No Shell
    [Documentation]    What is not in its list is refused.
    VAR    &{command}    command=kubectl get devices; id
    Rest Api Should Refuse    422    POST    /api/v1/terminal/execute    ${command}
