*** Settings ***
Documentation    Heartbeats: that they come, that they are answered, and what follows when they do not.

Resource         resources/wasmbed.resource

Test Setup       Start Stack    heartbeat=300ms

Test Tags        virtual    qemu    quick


*** Test Cases ***
Heartbeats Keep Coming
    [Documentation]    A connected device beats at the interval it was told, and each beat is acknowledged.
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
    [Documentation]    A device whose link is up but that has fallen silent is Disconnected, and shown the door.
    ${peer}=    Connect Peer    sleeper
    Enroll Peer    ${peer}
    Device Should Reach Phase    sleeper    Connected
    ${closed}=    Wait For Event    ConnectionClosed    sleeper    source=Gateway
    Should Contain    ${closed.data}[reason]    heartbeat
    Device Should Be Lost    sleeper
    Peer Should Be Disconnected    ${peer}
    History Should Follow    connection-lost

Who Beats By Hand Stays Connected
    [Documentation]    Each heartbeat is acknowledged, and no session ends.
    ${peer}=    Connect Peer    drummer
    ${id}=    Enroll Peer    ${peer}
    Device Should Reach Phase    drummer    Connected
    Send Heartbeat Of Peer    ${peer}    ${id}
    Event Should Not Have Happened    ConnectionClosed    drummer
    Disconnect Peer    ${peer}
    Device Should Be Lost    drummer

A Heartbeat Names What Runs
    [Documentation]    The platform learns from the device itself what runs on it.
    ${board}=    Connect A Device
    ${application}=    Run An Application    idle    ${board}    name=idler
    ${deployed}=    Wait For Event    DeploymentResult    idler    ok=${True}
    ${beat}=    Wait For Event    Heartbeat    ${board}    source=Device    after=${deployed}
    Dictionary Should Contain Key    ${beat.data}[applications]    idler
    History Should Follow    application-deployment    ${application}

Heartbeats Go On While Nothing Is Asked
    [Documentation]    The platform lives on its own, whatever the suite does meanwhile.
    ${board}=    Connect A Device
    Wait For Event    Heartbeat    ${board}    source=Device
    Sleep    1s    reason=three intervals, in which nobody waits for anything
    ${beats}=    Get Events    Heartbeat    ${board}
    Should Be True    len($beats) > 1
    Event Should Not Have Happened    ConnectionClosed    ${board}
    Device Should Have Gone Through    ${board}    Pending    Enrolling    Enrolled    Connected
