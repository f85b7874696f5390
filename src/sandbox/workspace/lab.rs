//! A laboratory's orders and their results, bounded in number.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use super::seed::Seed;
use crate::sandbox::refusal::Refusal;

const FIRST_ORDER: usize = 10_000;

/// What can be ordered.
#[derive(Debug, Serialize)]
pub struct Test {
    pub code: &'static str,
    pub name: &'static str,
    #[serde(skip)]
    analytes: &'static [Analyte],
}

/// What is measured; the limits of what is usual are in tenths.
#[derive(Debug)]
struct Analyte {
    name: &'static str,
    unit: &'static str,
    low: u32,
    high: u32,
}

const fn analyte(name: &'static str, unit: &'static str, low: u32, high: u32) -> Analyte {
    Analyte {
        name,
        unit,
        low,
        high,
    }
}

pub const TESTS: [Test; 4] = [
    Test {
        code: "CBC",
        name: "Complete blood count",
        analytes: &[
            analyte("Haemoglobin", "g/dL", 120, 160),
            analyte("Leukocytes", "10^9/L", 40, 110),
        ],
    },
    Test {
        code: "HBA1C",
        name: "Glycated haemoglobin",
        analytes: &[analyte("HbA1c", "%", 40, 56)],
    },
    Test {
        code: "LIPID",
        name: "Lipid profile",
        analytes: &[
            analyte("LDL cholesterol", "mg/dL", 500, 1300),
            analyte("HDL cholesterol", "mg/dL", 400, 600),
        ],
    },
    Test {
        code: "TSH",
        name: "Thyrotropin",
        analytes: &[analyte("TSH", "mIU/L", 4, 40)],
    },
];

/// Patient, test and progress of the generated orders, one a day, the last one today.
const ORDERS: [(&str, &str, Progress); 6] = [
    ("1700000000001", "HBA1C", Progress::Reported),
    ("1700000000001", "LIPID", Progress::Reported),
    ("1700000000002", "TSH", Progress::Reported),
    ("1700000000001", "CBC", Progress::Reported),
    ("1700000000003", "CBC", Progress::Ordered),
    ("1700000000001", "TSH", Progress::Ordered),
];

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    Ordered,
    Reported,
    Cancelled,
}

/// An order as the list shows it; its results are in its details.
#[derive(Debug, Clone, Serialize)]
pub struct Order {
    pub id: String,
    pub patient: String,
    pub test: &'static str,
    pub status: Progress,
    pub ordered_on: Date,
    #[serde(skip)]
    pub results: Vec<Measured>,
}

/// One result.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub analyte: &'static str,
    pub value: f64,
    pub unit: &'static str,
    pub low: f64,
    pub high: f64,
}

/// The orders of one client id.
pub struct Lab {
    pub orders: BTreeMap<String, Order>,
    /// The order that a request with an `Idempotency-Key` made.
    made: HashMap<String, String>,
    max: usize,
}

impl Lab {
    pub fn generate(seed: &mut Seed, now: Timestamp, max: usize) -> Self {
        let mut lab = Self {
            orders: BTreeMap::new(),
            made: HashMap::new(),
            max,
        };
        let mut days_ago = ORDERS.len();
        for (patient, code, status) in ORDERS {
            days_ago -= 1;
            let day = i64::try_from(days_ago).unwrap_or_default();
            let Some(test) = TESTS.iter().find(|test| test.code == code) else {
                continue;
            };
            let mut order = lab.next(patient, test.code, today(now) - day.days());
            order.status = status;
            if status == Progress::Reported {
                order.results = measured(test, seed);
            }
            lab.orders.insert(order.id.clone(), order);
        }
        lab
    }

    /// A new order; the one that was made before with the same key, and whether it was.
    pub fn order(
        &mut self,
        key: Option<&str>,
        (patient, test): (&str, &'static str),
        now: Timestamp,
    ) -> Result<(Order, bool), Refusal> {
        let before = key.and_then(|key| self.orders.get(self.made.get(key)?));
        if let Some(before) = before {
            return Ok((before.clone(), true));
        }
        if self.orders.len() >= self.max {
            return Err(Refusal::Full);
        }
        let order = self.next(patient, test, today(now));
        self.orders.insert(order.id.clone(), order.clone());
        if let Some(key) = key {
            self.made.insert(key.to_owned(), order.id.clone());
        }
        Ok((order, false))
    }

    fn next(&self, patient: &str, test: &'static str, day: Date) -> Order {
        Order {
            id: format!("O{}", FIRST_ORDER + self.orders.len() + 1),
            patient: patient.to_owned(),
            test,
            status: Progress::Ordered,
            ordered_on: day,
            results: Vec::new(),
        }
    }
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// From a fifth below what is usual to a fifth above.
fn measured(test: &Test, seed: &mut Seed) -> Vec<Measured> {
    let analytes = test.analytes.iter();
    let one = |analyte: &Analyte| {
        let (lowest, highest) = (analyte.low * 4 / 5, analyte.high * 6 / 5);
        let above = seed.below(u64::from(highest - lowest) + 1);
        let value = lowest + u32::try_from(above).unwrap_or_default();
        let whole = |tenths: u32| f64::from(tenths) / 10.0;
        Measured {
            analyte: analyte.name,
            value: whole(value),
            unit: analyte.unit,
            low: whole(analyte.low),
            high: whole(analyte.high),
        }
    };
    analytes.map(one).collect()
}
