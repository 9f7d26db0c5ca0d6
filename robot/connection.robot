*** Settings ***
Documentation    Links that are cut and restored, boards that lose power, gateways that stop and start.

Resource         resources/wasmbed.resource

Test Tags        virtual    qemu    quick


*** Test Cases ***
A Lost Connection Is Noticed At Once
    [Documentation]    The device becomes Disconnected, with the reason.
    ${board}=    Connect A Device
    Cut The Link Of    ${board}
    Device Should Be Lost    ${board}
    History Should Follow    connection-lost

A Device Reconnects Without Enrolling Again
    [Documentation]    A device that did not reboot resumes with a heartbeat with its id on a new session.
    [Tags]    requires:device-phases
    ${board}=    Connect A Device
    ${before}=    Get Status Of Device    ${board}
    Cut The Link Of    ${board}
    Device Should Be Lost    ${board}
    Restore The Link Of    ${board}
    Device Should Reach Phase    ${board}    Connected    within=15s    device_status=Running
    Device Should Be The Same As Before    ${board}    ${before}
    ${requests}=    Get Events    EnrollmentRequest    ${board}
    Length Should Be    ${requests}    1
    Device Should Have Gone Through
    ...    ${board}
    ...    Pending
    ...    Enrolling
    ...    Enrolled
    ...    Connected
    ...    Disconnected
    ...    Connected
    History Should Follow    device-connection

A Board That Is Switched Off Disconnects
    [Documentation]    A graceful power off closes the link.
    ${board}=    Connect A Device
    Power Off Board    ${board}
    Device Should Reach Phase    ${board}    Disconnected    device_status=Stopped
    History Should Follow    connection-lost

A Board That Loses Power Returns As The Same Device
    [Documentation]    The link ends without a message. With power the board enrolls again and keeps its id.
    ${board}=    Connect A Device
    ${before}=    Get Status Of Device    ${board}
    Cut Power Of Board    ${board}
    Device Should Reach Phase    ${board}    Disconnected    within=15s
    Restore Power Of Board    ${board}
    Device Should Reach Phase    ${board}    Connected    within=15s
    Device Should Be The Same As Before    ${board}    ${before}
    History Should Follow    device-connection

Devices Survive A Gateway Restart
    [Documentation]    The gateway drains and restarts; each device is Connected again.
    [Tags]    slow    requires:gateway-stop
    ${boards}=    Connect Devices    3
    ${before}=    Get Status Of Device    ${boards}[0]
    Restart Gateway
    FOR    ${board}    IN    @{boards}
        ${lost}=    Wait For Event    ConnectionClosed    ${board}
        Wait For Event    Heartbeat    ${board}    source=Device    after=${lost}    within=30s
        Device Should Reach Phase    ${board}    Connected    within=30s
    END
    Device Should Be The Same As Before    ${boards}[0]    ${before}
    History Should Follow    device-connection

Devices Survive A Killed Gateway
    [Documentation]    Devices get no message when a gateway is killed; the next gateway takes them over.
    [Tags]    slow    requires:gateway-kill    requires:gateway-stop
    ${board}=    Connect A Device
    ${before}=    Get Status Of Device    ${board}
    Kill Gateway
    Start Gateway
    ${killed}=    Wait For Event    kill gateway    kind=fault
    Wait For Event    HeartbeatAcknowledgment    ${board}    after=${killed}    within=30s
    Device Should Reach Phase    ${board}    Connected    within=30s
    Device Should Be The Same As Before    ${board}    ${before}
    History Should Follow    device-connection

Each Board Loses Power In Turn
    [Documentation]    Each returns as the same device, and the gateway counts all of them.
    [Tags]    requires:device-fields    requires:gateway-fields
    ${boards}=    Connect Devices    3
    Cycle Power Of Boards    at_once=2
    FOR    ${board}    IN    @{boards}
        Device Status Should Become    ${board}    phase=Connected    enrollments=2    within=20s
    END
    Gateway Should Reach Phase    Online    connected_devices=3
    ${status}=    Get Status Of Gateway
    Should Be Equal As Integers    ${status.connected_devices}    3

A Stopped Gateway Leaves No Device Connected
    [Documentation]    A gateway that stops gracefully writes its devices as Disconnected and itself as Offline.
    [Tags]    requires:gateway-stop    requires:gateway-fields
    ${board}=    Connect A Device
    Stop Gateway
    Device Should Reach Phase    ${board}    Disconnected
    Gateway Should Reach Phase    Offline    connected_devices=0
    History Should Follow    connection-lost

An Application Outlives A Lost Connection
    [Documentation]    The state of an application on a device without a link is unknown until it reconnects.
    [Tags]    requires:applications    requires:gateway-http
    ${boards}=    Connect Devices    2
    ${application}=    Run An Application    idle    ${boards}
    Cut The Link Of    ${boards}[0]
    Device Should Be Lost    ${boards}[0]
    Application Should Reach Phase    ${application}    PartiallyRunning    health=degraded
    Application Should Run On Number Of Devices    ${application}    1    unknown=1
    Restore The Link Of    ${boards}[0]
    Device Should Reach Phase    ${boards}[0]    Connected    within=20s
    Application Should Reach Phase    ${application}    Running    health=healthy    within=20s
    ${results}=    Get Events    DeploymentResult    ${application}
    Length Should Be    ${results}    2    It was deployed again where it had not stopped
