//! A small deterministic generator: the same client id always yields the same data.

const FIRST_NAMES: [&str; 16] = [
    "Asha", "Ravi", "Meera", "Kabir", "Leela", "Arjun", "Nisha", "Vikram", "Sita", "Dev", "Maya",
    "Rohan", "Tara", "Imran", "Zoya", "Kiran",
];
const LAST_NAMES: [&str; 8] = [
    "Example",
    "Sample",
    "Placeholder",
    "Synthetic",
    "Testcase",
    "Demo",
    "Mock",
    "Fixture",
];

/// SplitMix64 (Steele, Lea and Flood, 2014), started from the FNV-1a hash of the client id.
pub struct Seed(u64);

impl Seed {
    pub fn new(client_id: &str) -> Self {
        let hash = client_id
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        Self(hash)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound` - 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn pick(&mut self, choices: &[&'static str]) -> &'static str {
        let place = self.below(choices.len() as u64);
        usize::try_from(place)
            .ok()
            .and_then(|place| choices.get(place))
            .copied()
            .unwrap_or("")
    }

    /// A first and a last name that nobody takes for a real person's.
    pub fn name(&mut self) -> (&'static str, &'static str) {
        (self.pick(&FIRST_NAMES), self.pick(&LAST_NAMES))
    }
}
