*** Settings ***
Documentation    Applications that are deployed, run, stopped, and replaced.

Resource         resources/wasmbed.resource

Test Tags        virtual    qemu    quick    requires:applications    requires:gateway-http


*** Test Cases ***
An Application Is Deployed And Runs
    [Documentation]    A module reaches the device and runs, and its output is in Kubernetes.
    ${board}=    Connect A Device
    ${application}=    Deploy Application    hello    ${board}
    Application Should Be Running On    ${application}    ${board}
    Application Should Reach Phase    ${application}    Running    health=healthy    deployment_progress=100
    Published Values Should Be    ${application}    ${board}    hello from a module    topic=greeting
    VAR    ${pattern}    (hello) from a (\\w+)
    ${match}    ${greeting}    ${what}=    Expect From Board    ${board}    ${pattern}
    Should Be Equal    ${greeting} ${what}    hello module
    Board Console Should Show    ${board}    ${match}
    History Should Follow    application-deployment
    History Should Follow    execution-on-device

A Module Reads What Its Sensor Is Told
    [Documentation]    The value of a sensor comes from outside, and the module publishes it.
    Skip Unless Boards Have    sensors
    ${board}=    Connect A Device
    Set Sensor Of Board    ${board}    0    -21.5
    ${application}=    Deploy Application    thermometer    ${board}
    Published Values Should Be    ${application}    ${board}    ffffac04    ffffac04    ffffac04    topic=temperature

Arguments And Environment Reach The Module
    [Documentation]    The module reads the values of the resource.
    ${board}=    Connect A Device
    VAR    @{arguments}    first
    VAR    &{environment}    SITE=roof
    ${application}=    Run An Application    echo    ${board}    args=${arguments}    env=${environment}
    Published Values Should Be    ${application}    ${board}    first    topic=argument
    Published Values Should Be    ${application}    ${board}    roof    topic=SITE

A Large Module Arrives Whole
    [Documentation]    A module is sent in many chunks, and each chunk is acknowledged.
    ${board}=    Connect A Device
    ${module}=    Get Module Of Size    hello    40000
    ${application}=    Run An Application    ${module}    ${board}    name=heavy
    ${chunks}=    Get Events    ModuleChunk    heavy
    ${acknowledged}=    Get Events    ChunkAcknowledgment    heavy
    Should Be True    len($chunks) > 4
    Length Should Be    ${acknowledged}    ${{len($chunks)}}
    History Should Follow    application-deployment    ${application}

An Application Is Stopped And Started Again
    [Documentation]    The resource stays.
    ${board}=    Connect A Device
    ${application}=    Run An Application    hello    ${board}
    Stop Application    ${application}
    Application Should Reach Phase    ${application}    Stopped
    Application Should Run On Number Of Devices    ${application}    0
    Application On Device Should Become    ${application}    ${board}    state=stopped
    Start Application    ${application}
    Application Should Reach Phase    ${application}    Running
    Application Should Run On Number Of Devices    ${application}    1
    History Should Follow    application-stop

A Deleted Application Is Stopped First
    [Documentation]    The resource is gone once its devices have stopped it, and not before.
    ${board}=    Connect A Device
    ${application}=    Run An Application    hello    ${board}
    Delete Application    ${application}
    Application Should Be Gone    ${application}
    Wait For Event    StopResult    ${application}    source=Device    ok=${True}
    History Should Follow    application-stop

A Changed Module Is Redeployed
    [Documentation]    The old module is stopped, the new one runs, and the output is the new one's.
    ${board}=    Connect A Device
    ${application}=    Run An Application    hello    ${board}
    Redeploy Application    ${application}    hello_again
    Application Should Reach Phase    ${application}    Running    observed_generation=2    within=20s
    Published Values Should Be    ${application}    ${board}    hello again
    History Should Follow    execution-on-device

The Limits Of A Running Application Can Be Changed
    [Documentation]    The module stays the same, and is deployed again with the new limits.
    ${board}=    Connect A Device
    ${application}=    Run An Application    hello    ${board}
    Redeploy Application    ${application}    fuel=2000000    time_limit=2s
    Application Status Should Become    ${application}    phase=Running    observed_generation=2    within=20s
    ${deployments}=    Get Events    Deploy    ${application}    source=Gateway
    VAR    ${limits}    ${deployments[-1].data}[limits]
    Should Be Equal As Integers    ${limits}[fuel]    2000000
    Should Be Equal As Integers    ${limits}[wallTime]    2000

An Application For Labelled Devices
    [Documentation]    A selector selects the devices with the labels, and no others.
    ${boards}=    Connect Devices    3
    Label Device    ${boards}[0]    site=roof
    Label Device    ${boards}[1]    site=roof
    ${application}=    Deploy Application    idle    labels=site=roof
    Application Should Reach Phase    ${application}    Running
    Application Should Run On Number Of Devices    ${application}    2    target=2
    Application Should Be Running On    ${application}    ${boards}[0]    ${boards}[1]
    History Should Follow    application-deployment

An Application For A Whole Fleet
    [Documentation]    Each device runs it, and the statistics count them.
    [Tags]    slow
    ${count}=    Get Stack Option    fleet
    ${boards}=    Connect Devices    ${count}
    ${application}=    Run An Application    hello    ${boards}
    Application Should Be Running On    ${application}    @{boards}    within=30s
    Application Should Run On Number Of Devices    ${application}    ${count}    failed=0
    History Should Follow    application-deployment
