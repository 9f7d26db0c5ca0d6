*** Settings ***
Documentation    Boards enroll by certificate, by signing request, and again after a reboot.

Resource         resources/wasmbed.resource

Test Tags        virtual    qemu    quick


*** Test Cases ***
A Device Enrolls
    [Documentation]    A board with a certificate becomes a Connected device.
    [Tags]    requires:device-phases    requires:device-fields
    ${board}=    Power On Board
    Device Should Reach Phase    ${board}    Connected    within=10s    wasm_runtime=ready    health=healthy
    Device Should Have Gone Through    ${board}    Pending    Enrolling    Enrolled    Connected
    History Should Follow    device-enrollment

A Board's Console Shows That It Is Connected
    [Documentation]    The console shows the TLS version and the enrollment.
    ${board}=    Connect A Device
    Board Console Should Show    ${board}    TLSv1.3
    Board Console Should Show    ${board}    enrolled

A Device Enrolls By Signing Request
    [Documentation]    A board without a certificate uses a one-time token, gets a certificate, and reconnects with it.
    [Tags]    requires:gateway-pairing
    Skip Unless Boards Have    csr
    ${board}=    Connect A Device    certificate=request
    Wait For Event    DELETE Secret    source=Gateway    code=200
    History Should Follow    device-enrollment-by-request    ${board}

A Device Keeps Its Id Over A Reboot
    [Documentation]    A board that was reset enrolls again and is the same device.
    Skip Unless Boards Have    reset
    ${board}=    Connect A Device
    ${before}=    Get Status Of Device    ${board}
    ${lost}=    Get Events    EnrollmentAcknowledgment    ${board}
    Reset Board    ${board}
    Wait For Event    EnrollmentAcknowledgment    ${board}    after=${lost}[0]    within=20s
    Device Should Reach Phase    ${board}    Connected    within=20s
    Device Should Be The Same As Before    ${board}    ${before}
    History Should Follow    device-connection

A Deleted Device Enrolls Again
    [Documentation]    Its board is still on, and becomes a new device of the same name.
    ${board}=    Connect A Device
    ${before}=    Get Status Of Device    ${board}
    Delete Device    ${board}
    ${away}=    Wait For Event    Device    ${board}    change=deleted
    Wait For Event    EnrollmentAcknowledgment    ${board}    after=${away}    within=20s
    ${now}=    Device Should Reach Phase    ${board}    Connected    within=20s
    Should Not Be Equal    ${now.device_id}    ${before.device_id}
    History Should Follow    device-deleted

A Device Without A Board Can Be Deleted
    [Documentation]    Its board is off, so it does not enroll again.
    ${board}=    Connect A Device
    Power Off Board    ${board}
    Device Should Be Lost    ${board}
    Delete Device    ${board}
    Device Should Be Gone    ${board}

A Second Device Of The Same Name Is Refused
    [Documentation]    While a device is connected, another board with its identity is asked to retry later.
    [Tags]    requires:device-phases
    ${board}=    Connect A Device
    Power On Board    twin_of=${board}
    ${refused}=    Gateway Should Refuse    ${board}    DUPLICATE_DEVICE
    Should Be True    ${refused.data}[retryAfter] > 0
    Device Should Have Gone Through    ${board}    Pending    Enrolling    Enrolled    Connected
    History Should Follow    enrollment-failure

A Device Of An Unknown Type Is Refused
    [Documentation]    It gets no resource in Kubernetes.
    ${board}=    Power On Board    device_type=toaster
    Gateway Should Refuse    ${board}    ENROLLMENT_FAILED    toaster
    Device Should Not Exist    ${board}
    History Should Follow    enrollment-failure

Many Devices Enroll At Once
    [Documentation]    A fleet becomes Connected, and each device has its own id.
    [Tags]    slow
    ${count}=    Get Stack Option    fleet
    ${boards}=    Connect Devices    ${count}
    VAR    @{ids}    @{EMPTY}
    FOR    ${board}    IN    @{boards}
        ${status}=    Get Status Of Device    ${board}
        Append To List    ${ids}    ${status.device_id}
    END
    List Should Not Contain Duplicates    ${ids}
    History Should Follow    device-enrollment
