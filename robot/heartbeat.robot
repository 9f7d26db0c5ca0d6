*** Settings ***
Documentation    Heartbeats arrive and are acknowledged; missed ones end the session.

Resource         resources/wasmbed.resource

Test Setup       Start Stack    heartbeat=300ms

Test Tags        virtual    qemu    quick


*** Test Cases ***
Heartbeats Keep Coming
    [Documentation]    A connected device sends heartbeats at the given interval, and each is acknowledged.
    [Tags]    requires:device-fields
    ${board}=    Connect A Device
    VAR    ${beat}    ${None}
    FOR    ${_}    IN RANGE    4
        ${beat}=    Wait For Event    Heartbeat    ${board}    source=Device    after=${beat}
        Wait For Event    HeartbeatAcknowledgment    ${board}    source=Gateway    after=${beat}
    END
    Should Be Equal    ${beat.data}[runtimeStatus]    ready
    Device Should Reach Phase    ${board}    Connected    health=healthy
    History Should Follow    heartbeat-and-monitoring

Three Missed Heartbeats End The Session
    [Documentation]    A device that is silent on an open link becomes Disconnected, and its session ends.
    [Tags]    requires:gateway-reasons
    ${peer}=    Connect Peer    sleeper
    Enroll Peer    ${peer}
    Device Should Reach Phase    sleeper    Connected
    ${closed}=    Wait For Event    ConnectionClosed    sleeper    source=Gateway
    Should Contain    ${closed.data}[reason]    heartbeat
    Device Should Be Lost    sleeper
    Peer Should Be Disconnected    ${peer}
    History Should Follow    connection-lost

A Peer That Sends Heartbeats Stays Connected
    [Documentation]    Each heartbeat is acknowledged, and no session ends.
    ${peer}=    Connect Peer    drummer
    ${id}=    Enroll Peer    ${peer}
    Device Should Reach Phase    drummer    Connected
    Send Heartbeat Of Peer    ${peer}    ${id}
    Event Should Not Have Happened    ConnectionClosed    drummer
    Disconnect Peer    ${peer}
    Device Should Be Lost    drummer

A Heartbeat Names What Runs
    [Documentation]    A heartbeat lists the applications that run on the device.
    [Tags]    requires:applications    requires:gateway-http
    ${board}=    Connect A Device
    ${application}=    Run An Application    idle    ${board}    name=idler
    ${deployed}=    Wait For Event    DeploymentResult    idler    ok=${True}
    ${beat}=    Wait For Event    Heartbeat    ${board}    source=Device    after=${deployed}
    Dictionary Should Contain Key    ${beat.data}[applications]    idler
    History Should Follow    application-deployment    ${application}

Heartbeats Continue Between Keywords
    [Documentation]    The platform runs on while the suite does something else. A simulation's time stands still then.
    [Tags]    requires:device-phases
    Skip Unless Boards Have    other-programs
    ${board}=    Connect A Device
    Wait For Event    Heartbeat    ${board}    source=Device
    Sleep    1s    reason=three intervals without a keyword of the library
    ${beats}=    Get Events    Heartbeat    ${board}
    Should Be True    len($beats) > 1
    Event Should Not Have Happened    ConnectionClosed    ${board}
    Device Should Have Gone Through    ${board}    Pending    Enrolling    Enrolled    Connected
