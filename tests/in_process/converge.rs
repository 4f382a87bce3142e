//! `up` on fresh machines, and again.
use super::session::House;

#[tokio::test(start_paused = true)]
async fn three() {
    let house = House::three(&[]);
    let real = std::time::Instant::now();
    let ran = house.up().await;
    println!("{:?}\n{}", ran.outcome, ran.tail());
    println!("{:?} {:?} {:#?}", ran.took, real.elapsed(), ran.applied());
}
