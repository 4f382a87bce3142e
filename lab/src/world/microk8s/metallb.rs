//! The hook of the addon `metallb` (canonical/microk8s-core-addons addons/metallb/enable).

use super::super::World;
use super::super::process::{Call, Next, after};

/// Whether the hook's pattern lets a range through: it looks at the shape, not at the numbers.
fn looks_like_a_range(text: &str) -> bool {
    let digits = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let address = |text: &str| text.split('.').count() == 4 && text.split('.').all(digits);
    if text.contains("::") || text.matches(':').count() > 2 {
        return true;
    }
    match text.split_once('-') {
        Some((from, to)) => address(from) && address(to),
        None => text
            .split_once('/')
            .is_some_and(|(net, bits)| address(net) && (1..=2).contains(&bits.len()) && digits(bits)),
    }
}

/// The hook: everything after the first argument is dropped.
pub(super) fn enable(_world: &mut World, call: &mut Call, args: &[String]) -> Next {
    call.say("Enabling MetalLB");
    let ranges = args.first().cloned().or_else(|| {
        let text = String::from_utf8_lossy(&call.exec.stdin).into_owned();
        text.lines().next().map(str::to_owned)
    });
    let Some(ranges) = ranges else {
        return Next::Exit(1);
    };
    for range in ranges.split(',') {
        if !looks_like_a_range(range) {
            return call.quit(1, format!("Your input value ({range}) is not a valid IP Range"));
        }
    }
    after(300, move |_, call| {
        call.say("Applying Metallb manifest");
        after(1_800, move |world, call| {
            let Some(applied) = world.apply_metallb(&call.machine) else { return Next::Exit(1) };
            call.print(applied);
            world.fit_webhook();
            call.say("Waiting for Metallb controller to be ready.");
            after(1_000, move |world, call| wait(world, call, ranges))
        })
    })
}

/// Waits for the controller, without a limit.
fn wait(world: &mut World, call: &mut Call, ranges: String) -> Next {
    if !world.metallb_controller_ready(&call.machine) {
        let report = (world.now / 30_000) != (world.now.saturating_sub(2_000) / 30_000);
        if report {
            call.say("MetalLB controller is still not ready");
        }
        return after(2_000, move |world, call| wait(world, call, ranges));
    }
    call.say("deployment.apps/controller condition met");
    after(400, move |world, call| pool(world, call, ranges))
}

/// Creates the pool, again and again until the webhook lets it in.
fn pool(world: &mut World, call: &mut Call, ranges: String) -> Next {
    match world.create_metallb_pool(&call.machine, &ranges) {
        Ok(created) => {
            call.print(created);
            call.quit(0, "MetalLB is enabled")
        }
        Err(complaint) => {
            call.complain(complaint.trim_end());
            call.say("Failed to create default address pool, will retry");
            after(1_400, move |world, call| pool(world, call, ranges))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::looks_like_a_range;

    #[test]
    fn the_pattern_looks_at_the_shape_only() {
        for good in ["10.77.0.200-10.77.0.210", "192.168.1.0/24", "999.1.1.1-999.1.1.2", "10.0.0.9-10.0.0.1"] {
            assert!(looks_like_a_range(good), "{good}");
        }
        for bad in ["10.77.0.200", "nonsense", "10.77.0-10.77.1", "10.77.0.0/"] {
            assert!(!looks_like_a_range(bad), "{bad}");
        }
    }
}
