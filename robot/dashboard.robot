*** Settings ***
Documentation    What is done at the dashboard, over its REST API: the documents' diagrams, errors included.

Resource         resources/wasmbed.resource

Test Tags        virtual    qemu    quick    requires:applications    requires:device-fields    requires:gateway-fields


*** Variables ***
${GOOD}    (module (memory (export "memory") 1) (func (export "run")))
${BAD}     (module (memory (export "memory") 1) (func (export "run") (call $nobody)))


*** Test Cases ***
A Device Is Let In Over The API
    [Documentation]    It is awaited, enrolls, is sent away, and let back.
    [Tags]    requires:gateway-suspension
    VAR    &{device}    name=pump-1
    ${answer}=    Ask Rest Api    POST    /api/v1/devices    ${device}    role=operator
    Should Be Equal    ${answer}[devices][0][status]    Pending
    ${board}=    Connect A Device    name=pump-1
    Ask Rest Api    POST    /api/v1/devices/pump-1/disconnect    role=operator
    Device Should Reach Phase    ${board}    Disconnected    within=30s
    Ask Rest Api    POST    /api/v1/devices/pump-1/connect    role=operator
    Device Should Reach Phase    ${board}    Connected    within=30s
    Rest Api Should Refuse    409    POST    /api/v1/devices    ${device}
    History Should Follow    dashboard-devices

Source Becomes An Application That Runs
    [Documentation]    The code is compiled, and its module is created as an application.
    [Tags]    requires:gateway-http    requires:other-programs
    ${board}=    Connect A Device
    VAR    &{source}    code=${GOOD}    language=wat
    ${compiled}=    Ask Rest Api    POST    /api/v1/compile    ${source}    role=operator
    VAR    @{devices}    ${board.name}
    VAR    &{body}    name=mine    wasmBytes=${compiled}[wasmBytes]    targetDevices=${devices}
    Ask Rest Api    POST    /api/v1/applications    ${body}    role=operator
    Application Should Reach Phase    mine    Running
    History Should Follow    compile-and-create
    History Should Follow    dashboard-deployment

Code With An Error Is Mended And Compiled Again
    [Documentation]    The refusal has the line and the compiler's own words; nothing is created.
    [Tags]    requires:other-programs
    VAR    &{wrong}    code=${BAD}    language=wat
    ${reason}=    Rest Api Should Refuse    422    POST    /api/v1/compile    ${wrong}
    Should Contain    ${reason}    unknown func
    VAR    &{right}    code=${GOOD}    language=wat
    Ask Rest Api    POST    /api/v1/compile    ${right}
    ${answer}=    Ask Rest Api    GET    /api/v1/applications
    Should Be Empty    ${answer}[applications]
    History Should Follow    compile-and-create

A Monitor Looks Again And Again
    [Documentation]    A device that has connected is in the second look.
    Look At All
    Connect A Device
    ${devices}=    Look At All
    Should Be Equal    ${devices}[0][status]    Connected
    History Should Follow    system-monitoring

The Terminal Carries Out What Is In Its List
    [Documentation]    Other commands are refused with a reason; each use is in the record.
    ${board}=    Connect A Device
    VAR    &{command}    command=kubectl get devices
    ${answer}=    Ask Rest Api    POST    /api/v1/terminal/execute    ${command}    role=operator
    Should Contain    ${answer}[output]    ${board.name}
    VAR    &{shell}    command=sh -c id
    Rest Api Should Refuse    422    POST    /api/v1/terminal/execute    ${shell}
    History Should Follow    terminal


*** Keywords ***
Look At All
    [Documentation]    Reads the three lists, and returns the devices.
    ${devices}=    Ask Rest Api    GET    /api/v1/devices    role=viewer
    Ask Rest Api    GET    /api/v1/applications    role=viewer
    Ask Rest Api    GET    /api/v1/gateways    role=viewer
    RETURN    ${devices}[devices]
