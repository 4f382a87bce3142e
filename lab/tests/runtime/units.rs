//! Transient units are real processes that outlive the session and end together.

use super::lab::Lab;

#[test]
fn a_unit_outlives_its_session_and_stopping_ends_all_of_it() {
    // One process in the unit's own group, one in another group, one in another session.
    let said = Lab::of(1).run(
        r#"job='sleep 1001 & timeout 1002 sleep 1002 & setsid sleep 1003 & wait'
           show start on nuc1 "systemd-run --quiet --unit=homeprov-job /bin/sh -c '$job'"
           until_so on nuc1 'test "$(pgrep -c -x sleep)" = 3'
           show active on nuc1 'systemctl is-active homeprov-job.service'
           show main on nuc1 'tr "\0" " " </proc/$(systemctl show -p MainPID --value homeprov-job)/cmdline | cut -c1-10'
           show twice on nuc1 'systemd-run --unit=homeprov-job true 2>&1'
           show stop on nuc1 'systemctl stop homeprov-job'
           show left on nuc1 'pgrep -c -x sleep'
           show after on nuc1 'systemctl is-active homeprov-job'
           show again on nuc1 'systemd-run --unit=homeprov-job sleep 1004 2>&1'"#,
    );
    assert_eq!((said.status("start"), said.text("start")), (0, ""), "{said:?}");
    assert_eq!((said.status("active"), said.text("active")), (0, "active"));
    assert_eq!(said.text("main"), "/bin/sh -c");
    assert_eq!(said.status("twice"), 1);
    assert!(said.text("twice").contains("Unit homeprov-job.service was already loaded"), "{said:?}");
    assert_eq!((said.status("stop"), said.text("left")), (0, "0"));
    assert_eq!((said.status("after"), said.text("after")), (3, "inactive"));
    assert_eq!((said.status("again"), said.text("again")), (0, "Running as unit: homeprov-job.service"));
}

#[test]
fn a_unit_that_fails_stays_known_unless_collected() {
    let said = Lab::of(1).run(
        "on nuc1 'systemd-run --quiet --unit=kept sh -c \"exit 7\"; systemd-run --quiet --collect --unit=collected sh -c \"exit 7\"'
         until_not on nuc1 'systemctl is-active kept'
         until_not on nuc1 'systemctl is-active collected'
         show kept on nuc1 'systemctl is-failed kept; systemctl show -p Result,ExecMainStatus kept'
         show collected on nuc1 'systemctl is-failed collected'
         show reset on nuc1 'systemctl reset-failed kept; systemctl is-active kept'",
    );
    assert_eq!(said.text("kept"), "failed|Result=exit-code|ExecMainStatus=7");
    assert_eq!((said.status("collected"), said.text("collected")), (1, "inactive"));
    assert_eq!(said.text("reset"), "inactive");
}

#[test]
fn a_unit_that_will_not_end_is_killed() {
    let said = Lab::of(1).run(
        r#"on nuc1 'systemd-run --quiet --unit=deaf --property=TimeoutStopSec=1 sh -c "trap : TERM; touch /run/deaf; while :; do sleep 1; done"'
           until_so on nuc1 'test -e /run/deaf'
           show stop on nuc1 'systemctl stop deaf; systemctl is-active deaf; pgrep -c -x sleep'"#,
    );
    assert_eq!(said.text("stop"), "inactive|0");
}

#[test]
fn a_timer_starts_its_unit_in_the_labs_time_unless_it_is_stopped() {
    let said = Lab::of(1).run(
        "show set on nuc1 'systemd-run --collect --unit=later --on-active=200 touch /run/later 2>&1'
         show twice on nuc1 'systemd-run --unit=later --on-active=200 true 2>&1'
         show waits on nuc1 'systemctl is-active later.timer; ls /run/later 2>/dev/null'
         on nuc1 'systemd-run --quiet --unit=never --on-active=100 touch /run/never; systemctl stop never.timer'
         show stopped on nuc1 'systemctl is-active never.timer; systemctl stop never.timer 2>&1'
         until_so on nuc1 'test -e /run/later'
         show over on nuc1 'systemctl is-active later.timer; ls /run/never 2>/dev/null'",
    );
    assert_eq!(said.text("set"), "Running timer as unit: later.timer|Will run service as unit: later.service");
    assert!(said.text("twice").contains("Unit later.timer was already loaded"), "{said:?}");
    assert_eq!(said.text("waits"), "active");
    assert_eq!(said.text("stopped"), "inactive|Failed to stop never.timer: Unit never.timer not loaded.");
    assert_eq!(said.text("over"), "inactive");
}
